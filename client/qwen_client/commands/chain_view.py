"""What the commands of chains share: a run followed on the terminal, and its result in a folder."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Protocol

import typer

from qwen_client.chains.chain_run import ChainRun
from qwen_client.client import Client
from qwen_client.console import errors_on_one_line, print_error, print_json, print_warning, require_folder
from qwen_client.shortfalls import Shortfall
from qwen_client.stages import StageView
from qwen_wire.chains import StageEvent
from qwen_wire.errors import ChainFailed, ServerError

CHAIN_TIMEOUT_S = 600.0
GRACE_S = 5.0  # for the server to tell what it has made when the time is over
Out = Annotated[Path, typer.Option("--out", "-o", help="Output folder; created if missing.")]


class Saveable(Protocol):
    @property
    def shortfalls(self) -> tuple[Shortfall, ...]: ...

    def save(self, folder: Path) -> list[Path]: ...


def run_and_save(
    start: Callable[[Client], ChainRun[StageEvent, Any]],
    out: Path,
    *,
    url: str,
    tenant: str | None,
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
        with Client(url, timeout_s=timeout_s + GRACE_S, tenant=tenant) as client:
            try:
                result = _followed(start(client))
            except ChainFailed as failure:
                _save(failure.result, out, as_json)
                raise
        _save(result, out, as_json)
        end_as(result.shortfalls)


def print_all(shortfalls: Sequence[Shortfall]) -> None:
    """A line on stderr for each; those that are parts that failed are errors."""
    for one in shortfalls:
        if one.kind == "missing":
            print_error(ServerError(str(one)))
        else:
            print_warning(str(one))


def end_as(shortfalls: Sequence[Shortfall]) -> None:
    """Leave with exit code 1 where parts are missing."""
    if any(one.kind == "missing" for one in shortfalls):
        raise typer.Exit(1)


def _followed(run: ChainRun[StageEvent, Any]) -> Saveable:
    with StageView() as view, run:
        for _ in view.watch(run):
            pass
    result: Saveable = run.result()
    return result


def _save(result: Saveable, out: Path, as_json: bool) -> None:
    files = [str(file) for file in result.save(out)]
    print_all(result.shortfalls)
    if as_json:
        print_json({"files": files, "shortfalls": [asdict(one) for one in result.shortfalls]})
    else:
        typer.echo("\n".join(files))
