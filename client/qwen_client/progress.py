"""Progress of long work, on terminals."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from typing_extensions import Self

OnDone: TypeAlias = Callable[[int, int | None], object]
"""Called with how many are done, of how many; None: not known."""


class Bar:
    """A progress bar on stderr, shown on terminals only; it pulses until `show` knows how much there is to do.

    with Bar("drawing") as bar:
        bar.show(3, 20)
    """

    def __init__(self, label: str) -> None:
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
        console = Console(stderr=True)
        self._progress = Progress(
            *columns,
            console=console,
            transient=True,
            redirect_stdout=False,  # the result may be going into a pipe
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task(label, total=None)

    def show(self, done: int, total: int | None) -> None:
        self._progress.update(self._task, completed=done, total=total)

    def tell(self, label: str) -> None:
        """Another label from now on."""
        self._progress.update(self._task, description=label)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()


@contextmanager
def announced(progress: bool | OnDone, label: str) -> Iterator[OnDone]:
    """What to tell: a bar named `label` (True), the caller's own function, or nothing (False)."""
    if progress is True:
        with Bar(label) as bar:
            yield bar.show
    else:
        yield progress or (lambda done, total: None)
