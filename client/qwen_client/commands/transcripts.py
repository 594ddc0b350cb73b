"""`qwen transcribe` and `qwen align`."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from qwen_client.batches import Outcome
from qwen_client.client import Client
from qwen_client.commands.options import AsJson, Context, SpeechLanguage
from qwen_client.commands.server_calls import calls_server
from qwen_client.commands.standard_streams import file_argument, text_argument
from qwen_client.console import print_error, print_json, print_shortfalls, require_folder
from qwen_client.progress import Bar
from qwen_client.transcript import transcript_suffix
from qwen_wire.errors import InvalidRequest, QwenError, ServerError
from qwen_wire.options import Timestamps, WordTimestamps

NUM_CONCURRENT = 8
Format = Literal["text", "json", "srt", "vtt"]
SUFFIXES = {"text": ".txt", "json": ".json", "srt": ".srt", "vtt": ".vtt"}


@calls_server()
def transcribe(
    client: Client,
    files: Annotated[list[Path], typer.Argument(help="Audio files in any supported format; - reads standard input.")],
    output_format: Annotated[Format | None, typer.Option("--format", help="Output format. Default: text.")] = None,
    folder: Annotated[Path | None, typer.Option("--out", help="Write one file per input into this folder.")] = None,
    timestamps: Annotated[Timestamps, typer.Option(help="Unit of the timestamps, also of subtitles.")] = "segment",
    language: SpeechLanguage = None,
    context: Context = "",
    itn: Annotated[
        bool, typer.Option("--itn", help="Write numbers and dates in digits (inverse text normalisation).")
    ] = False,
    max_audio_s: Annotated[
        float | None, typer.Option("--max-audio", help="Refuse recordings longer than this many seconds.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Same as --format json.")] = False,
) -> None:
    """Transcribe audio FILES: one line per file, in the given order, or one output file per input."""
    chosen = _format(output_format, as_json)
    _require_subtitles_possible(chosen, timestamps, files, folder)
    targets = _targets(files, folder, SUFFIXES[chosen])
    outcomes = _transcribe_all(
        client,
        files,
        targets,
        timestamps=timestamps,
        language=language,
        context=context,
        itn=itn,
        max_audio_s=max_audio_s,
    )
    for file, outcome in zip(files, outcomes, strict=True):
        _print_shortfalls(file, outcome)
    if chosen == "json" and not targets:
        print_json([_json(file, outcome) for file, outcome in zip(files, outcomes, strict=True)])
    else:
        _print_lines(chosen, files, outcomes, targets)
    if any(map(_missing, outcomes)):
        raise typer.Exit(1)


@calls_server()
def align(
    client: Client,
    file: Annotated[Path, typer.Argument(help="An audio file in any supported format.")],
    text: Annotated[str, typer.Argument(help="The text spoken in it; - reads standard input.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Output file: .srt, .vtt, .json or .txt. Default: print.")
    ] = None,
    timestamps: Annotated[WordTimestamps, typer.Option(help="Unit of the timestamps.")] = "word",
    language: Annotated[str | None, typer.Option(help="Such as English, en or en-US.")] = None,
    as_json: AsJson = False,
) -> None:
    """Find when each word of TEXT is spoken in FILE. Prints a line per word: start, end and text, separated by tabs."""
    if output:
        transcript_suffix(output)
        require_folder(output)
    with Bar("aligning"):
        alignment = client.asr.align(file_argument(file), text_argument(text), language=language, timestamps=timestamps)
    print_shortfalls(alignment.as_dict(), "the alignment", file)
    if output:
        alignment.save(output)
    if as_json:
        print_json(alignment.as_dict())
    else:
        typer.echo(output or alignment.lines())


def _format(asked: Format | None, as_json: bool) -> Format:
    if as_json and asked not in (None, "json"):
        raise InvalidRequest(f"--json and --format {asked} cannot go together")
    return "json" if as_json else asked or "text"


def _targets(files: Sequence[Path], folder: Path | None, suffix: str) -> list[Path]:
    """A file in the folder for each recording; none without a folder."""
    if folder is None:
        return []
    targets = [folder / f"{file.stem}{suffix}" for file in files]
    target, num_files = Counter(targets).most_common(1)[0]
    if num_files > 1:
        raise InvalidRequest(f"{num_files} of the recordings would be written to {target}: give them one by one")
    folder.mkdir(parents=True, exist_ok=True)
    return targets


def _require_subtitles_possible(
    chosen: Format, timestamps: Timestamps, files: Sequence[Path], folder: Path | None
) -> None:
    if chosen not in ("srt", "vtt"):
        return
    if timestamps == "none":
        raise InvalidRequest(f"--format {chosen} needs times: leave out --timestamps none")
    if len(files) > 1 and folder is None:
        raise InvalidRequest(f"{len(files)} recordings make as many {chosen} files: say where by --out")


def _transcribe_all(client: Client, files: Sequence[Path], targets: Sequence[Path], **options: Any) -> list[Outcome]:
    outcomes: list[Outcome] = []
    audios = [file_argument(file) for file in files]
    for outcome in client.asr.transcribe_many(audios, concurrency=NUM_CONCURRENT, progress=True, **options):
        outcomes.append(_saved(outcome, targets[len(outcomes)]) if targets else outcome)
    return outcomes


def _saved(outcome: Outcome, target: Path) -> Outcome:
    """One that cannot be written fails alone."""
    try:
        if outcome.heard is not None:
            outcome.heard.save(target)
    except OSError as error:
        return Outcome(outcome.audio, error=InvalidRequest(f"the text cannot be written: {error}"))
    return outcome


def _missing(outcome: Outcome) -> list[QwenError]:
    """Why there is no transcript, or why parts of it are not there."""
    if outcome.heard is None:
        return [outcome.error] if outcome.error else []
    return [
        ServerError(
            f"what is said from {piece.start_s:g} to {piece.end_s:g} s is missing: {piece.message}",
            request_id=outcome.heard.request_id,
        )
        for piece in outcome.heard.failed
    ]


def _json(file: Path, outcome: Outcome) -> dict[str, Any]:
    if outcome.error:
        return {"file": str(file), "error": {"status": outcome.error.status, "message": outcome.error.message}}
    return {"file": str(file), **(outcome.heard.as_dict() if outcome.heard else {})}


def _print_shortfalls(file: Path, outcome: Outcome) -> None:
    for error in _missing(outcome):
        print_error(error, file)
    if outcome.heard is not None:
        print_shortfalls(outcome.heard.as_dict(), "the text", file)


def _print_lines(chosen: Format, files: Sequence[Path], outcomes: Sequence[Outcome], targets: Sequence[Path]) -> None:
    """Each result on stdout."""
    for number, (file, outcome) in enumerate(zip(files, outcomes, strict=True)):
        if outcome.heard is None:
            continue
        if targets:
            typer.echo(targets[number])
        elif chosen == "srt" or chosen == "vtt":
            typer.echo(outcome.heard.as_subtitles(chosen), nl=False)
        else:
            typer.echo(outcome.heard.text if len(files) == 1 else f"{file}: {outcome.heard.text}")
