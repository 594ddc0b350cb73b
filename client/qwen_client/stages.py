"""The stages of a running chain, on terminals."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from typing_extensions import Self

from qwen_wire.chains import Stage, StageEvent, StageFailed, StageProgress, StageResult, StageSkipped, StageStarted


@dataclass
class _Count:
    """How far a stage is: of its `items`, those `done` and the part of each other one that is."""

    items: int = 1
    done: set[int] = field(default_factory=set)
    parts: dict[int, float] = field(default_factory=dict)

    def take(self, event: Stage) -> None:
        number = event.item or 0
        self.items = max(self.items, number + 1)
        match event:
            case StageStarted(items=items) if items:
                self.items = max(self.items, items)
            case StageProgress(event={"step": step, "steps": steps}):
                self.parts[number] = step / steps
            case StageResult() | StageFailed():
                self.done.add(number)

    @property
    def completed(self) -> float:
        return len(self.done) + sum(part for number, part in self.parts.items() if number not in self.done)


class StageView:
    """A line for each stage on stderr, shown on terminals only.

    with StageView() as view, client.chains.storyboard("a red circle") as run:
        for event in view.watch(run):
            ...
    """

    def __init__(self) -> None:
        console = Console(stderr=True)
        self._progress = Progress(
            SpinnerColumn(finished_text="·"),
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
            console=console,
            redirect_stdout=False,  # the result may be going into a pipe
            disable=not console.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {}
        self._counts: dict[str, _Count] = {}

    def watch(self, events: Iterable[StageEvent]) -> Iterator[StageEvent]:
        """The same events, each shown when it comes."""
        for event in events:
            self.show(event)
            yield event

    def show(self, event: Stage) -> None:
        """Move the line of the event's stage."""
        if event.stage not in self._tasks:
            self._tasks[event.stage] = self._progress.add_task(event.stage, total=1, note="")
        task, count = self._tasks[event.stage], self._counts.setdefault(event.stage, _Count())
        count.take(event)
        match event:
            case StageSkipped() if event.item is None:
                self._progress.update(task, completed=1, total=1, note="skipped")
            case StageFailed():
                self._progress.update(task, total=count.items, completed=count.completed, note="failed")
            case _:
                note = f"{len(count.done)}/{count.items}" if count.items > 1 else ""
                self._progress.update(task, total=count.items, completed=count.completed, note=note)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()
