"""What the commands of chains share: a run followed on the terminal, and its result in a folder."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Protocol

import typer

from qwen_client.chains.chain_run import ChainRun
from qwen_client.client import Chains
from qwen_client.commands.options import AsJson, Context, Seed, SizeOption, SpeechLanguage, Steps, StyleOption
from qwen_client.commands.server_calls import parameter, server_options, take_server_options, with_parameters
from qwen_client.commands.standard_streams import file_argument
from qwen_client.console import errors_on_one_line, print_error, print_json, print_warning, require_folder
from qwen_client.shortfalls import Shortfall
from qwen_client.stages import StageView
from qwen_wire.chains import StageEvent
from qwen_wire.errors import ChainFailed, ServerError

CHAIN_TIMEOUT_S = 600.0
GRACE_S = 5.0  # for the server to tell what it has made when the time is over
Out = Annotated[Path, typer.Option("--out", "-o", help="Output folder; created if missing.")]
Audio = Annotated[Path | None, typer.Option(help="Recording of the text, instead of it or in addition.")]
MaxAudio = Annotated[float | None, typer.Option("--max-audio", help="Refuse recordings longer than this many seconds.")]
SHARED_OPTIONS: dict[str, tuple[Any, Any]] = {
    "audio": (Audio, None),
    "language": (SpeechLanguage, None),
    "context": (Context, None),
    "style": (StyleOption, None),
    "size": (SizeOption, None),
    "steps": (Steps, None),
    "max_audio_s": (MaxAudio, None),
    "seed": (Seed, None),
}
"""By parameter of the SDK's methods: the option, and its default."""


class Saveable(Protocol):
    @property
    def shortfalls(self) -> tuple[Shortfall, ...]: ...

    @property
    def seed(self) -> int | None: ...

    def save(self, folder: Path) -> list[Path]: ...


def chain_command(
    method: str, *, out: Path, needs: Sequence[Callable[[], None]] = ()
) -> Callable[[Callable[..., dict[str, Any]]], Callable[..., None]]:
    """A command that runs the chain `method` of the SDK, shows its stages and saves what it made in a folder.

    The decorated function returns arguments of the method. Parameters of the method that it does not have, and
    `SHARED_OPTIONS` has, are options of the command. What `needs` would raise is raised before the work. Where a stage
    fails, what the others made is saved in a folder beside `out`, and the command ends with exit code 1.
    """
    folder = parameter("out", Out, out)

    def decorate(arguments: Callable[..., dict[str, Any]]) -> Callable[..., None]:
        own = inspect.signature(arguments).parameters
        names = [name for name in inspect.signature(getattr(Chains, method)).parameters if name not in own]
        shared = [parameter(name, *SHARED_OPTIONS[name]) for name in names if name in SHARED_OPTIONS]

        def command(out: Path, as_json: bool, **given: Any) -> None:
            with errors_on_one_line():
                require_folder(out)
                for require in needs:
                    require()
                server = take_server_options(given)
                asked = {**arguments(**{name: given.pop(name) for name in own}), **given}
                asked = {name: _from_standard_input(value) for name, value in asked.items()}
                with server.client(GRACE_S) as client:
                    _run_and_save(getattr(client.chains, method)(**asked, deadline_s=server.timeout_s), out, as_json)

        common = [folder, parameter("as_json", AsJson, False), *server_options(CHAIN_TIMEOUT_S)]
        return with_parameters(command, arguments, [*own.values(), *shared, *common])

    return decorate


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


def _from_standard_input(value: Any) -> Any:
    """Files to send, of which one may be -."""
    if isinstance(value, list):
        return [_from_standard_input(one) for one in value]
    return file_argument(value) if isinstance(value, Path) else value


def failed_folder(out: Path) -> Path:
    """Where a failed run is saved: beside `out`, whose documents of an earlier run stay as they are."""
    return out.with_name(f"{out.name}-failed") if out.name.strip(".") else out / "failed"


def _run_and_save(run: ChainRun[StageEvent, Any], out: Path, as_json: bool) -> None:
    try:
        result = _followed(run)
    except ChainFailed as failure:
        _save(failure.result, failed_folder(out), as_json)
        raise
    _save(result, out, as_json)
    end_as(result.shortfalls)


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
        print_json({"files": files, "shortfalls": [asdict(one) for one in result.shortfalls], "seed": result.seed})
    else:
        typer.echo("\n".join(files))
