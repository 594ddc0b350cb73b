"""What the commands of chains share: a run followed on the terminal, and its result in a folder."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Protocol

import typer

from qwen_client.chains.events import StageEvent
from qwen_client.chains.following import ChainRun
from qwen_client.client import Client
from qwen_client.console import errors_on_one_line, print_json, require_folder
from qwen_client.errors import ChainFailed
from qwen_client.stages import StageView

CHAIN_TIMEOUT_S = 600.0
GRACE_S = 5.0  # for the server to tell what it has made when the time is over
Out = Annotated[Path, typer.Option("--out", "-o", help="The folder to write into; it is made where there is none.")]


class Saveable(Protocol):
    def save(self, folder: Path) -> list[Path]: ...


def run_and_save(
    start: Callable[[Client], ChainRun[StageEvent, Any]],
    out: Path,
    *,
    url: str,
    timeout_s: float,
    as_json: bool,
    needs: Sequence[Callable[[], None]] = (),
) -> None:
    """Show the stages of a chain while it runs, save what it made in `out` and print the files.

    What `needs` would raise is raised before the work.
    Where a stage fails, what the others made is saved all the same, and the command ends with exit code 1.
    """
    with errors_on_one_line():
        require_folder(out)
        for require in needs:
            require()
        with Client(url, timeout_s=timeout_s + GRACE_S) as client:
            try:
                result = _followed(start(client))
            except ChainFailed as failure:
                _save(failure.result, out, as_json)
                raise
        _save(result, out, as_json)


def _followed(run: ChainRun[StageEvent, Any]) -> Saveable:
    with StageView() as view, run:
        for _ in view.watch(run):
            pass
    result: Saveable = run.result()
    return result


def _save(result: Saveable, out: Path, as_json: bool) -> None:
    files = [str(file) for file in result.save(out)]
    if as_json:
        print_json({"files": files})
    else:
        typer.echo("\n".join(files))
