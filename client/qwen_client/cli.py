"""The commands `qwen transcribe`, `say`, `voice` and `draw`. The server package adds its own to `app`."""

import sys
from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from qwen_client.asr import Transcription
from qwen_client.audio import audio_suffix
from qwen_client.client import DEFAULT_ADDRESS, DEFAULT_TIMEOUT_S, Client
from qwen_client.console import Bar, errors_on_one_line, print_error, print_json, require_folder
from qwen_client.errors import InvalidRequest, QwenError
from qwen_client.image import picture_format

NUM_CONCURRENT = 8

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)
voice_app = typer.Typer(no_args_is_help=True, help="Voices that the server keeps.")
app.add_typer(voice_app, name="voice")


@app.callback()
def main() -> None:
    """Qwen speech recognition, speech synthesis and image generation on Triton."""


Url = Annotated[str, typer.Option("--url", envvar="QWEN_URL", help="gRPC address of the server.")]
Timeout = Annotated[float, typer.Option("--timeout", min=0.001, help="Seconds a request may take.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Seed = Annotated[int, typer.Option(help="Same seed, same result.")]
Outcome = Transcription | QwenError


@app.command()
def transcribe(
    files: Annotated[list[Path], typer.Argument(help="Audio files, of any format.")],
    language: Annotated[str | None, typer.Option(help="Name or ISO code; left out: detected.")] = None,
    context: Annotated[str, typer.Option(help="Words to expect, such as names.")] = "",
    as_json: AsJson = False,
    url: Url = DEFAULT_ADDRESS,
    timeout_s: Timeout = DEFAULT_TIMEOUT_S,
) -> None:
    """Write down what is said in FILES: a line for each, in the order given."""
    # The client closes before the pool waits for its threads: Ctrl-C cancels what still runs.
    with ThreadPoolExecutor(NUM_CONCURRENT) as pool, Client(url, timeout_s=timeout_s) as client:
        outcomes = _transcribe_all(client, pool, files, language=language, context=context)
    if as_json:
        print_json([_outcome_json(file, outcome) for file, outcome in zip(files, outcomes, strict=True)])
    else:
        _print_lines(files, outcomes)
    if not all(isinstance(outcome, Transcription) for outcome in outcomes):
        raise typer.Exit(1)


@app.command()
def say(
    text: Annotated[str, typer.Argument(help="What to say; - reads standard input.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="A .wav, .flac, .ogg, .opus or .mp3 file.")],
    voice: Annotated[str | None, typer.Option(help="A speaker or stored voice; see `qwen voice list`.")] = None,
    reference: Annotated[Path | None, typer.Option(help="A recording whose voice is to speak.")] = None,
    reference_text: Annotated[str, typer.Option(help="What is said in the recording.")] = "",
    instruction: Annotated[str, typer.Option(help="Who is to speak, and how.")] = "",
    language: Annotated[str, typer.Option(help="Name of the language.")] = "auto",
    seed: Seed = 0,
    temperature: Annotated[float | None, typer.Option(help="0: always the likeliest sound.")] = None,
    as_json: AsJson = False,
    url: Url = DEFAULT_ADDRESS,
    timeout_s: Timeout = DEFAULT_TIMEOUT_S,
) -> None:
    """Speak TEXT into an audio file."""
    with errors_on_one_line(), Client(url, timeout_s=timeout_s) as client:
        audio_suffix(output)
        require_folder(output)
        with Bar("speaking"):
            speech = client.tts.synthesize(
                _text(text),
                voice=voice,
                reference=reference,
                reference_text=reference_text,
                instruction=instruction,
                language=language,
                seed=seed,
                temperature=temperature,
            )
        speech.save(output)
    made = {
        "file": str(output),
        "duration_s": speech.duration_s,
        "sample_rate": speech.sample_rate,
        "finish_reason": speech.finish_reason,
        "timings": asdict(speech.timings),
        "request_id": speech.request_id,
    }
    _print_made(made, as_json)


@voice_app.command("list")
def list_voices(as_json: AsJson = False, url: Url = DEFAULT_ADDRESS, timeout_s: Timeout = DEFAULT_TIMEOUT_S) -> None:
    """Who can speak: the checkpoint's speakers and the stored voices, a line each."""
    with errors_on_one_line(), Client(url, timeout_s=timeout_s) as client:
        known = client.voices.list()
    if as_json:
        print_json(asdict(known))
    else:
        typer.echo("\n".join([*known.speakers, *(f"{voice.name} ({voice.consent})" for voice in known.voices)]))


@voice_app.command("add")
def add_voice(
    name: Annotated[str, typer.Argument(help="a-z, 0-9, - and _.")],
    reference: Annotated[Path, typer.Argument(help="A recording of the voice, half a second or more.")],
    consent: Annotated[str, typer.Option(help="Who allowed the use of the voice.")],
    reference_text: Annotated[str, typer.Option(help="What is said in the recording.")] = "",
    as_json: AsJson = False,
    url: Url = DEFAULT_ADDRESS,
    timeout_s: Timeout = DEFAULT_TIMEOUT_S,
) -> None:
    """Keep the voice of a recording under NAME."""
    with errors_on_one_line(), Client(url, timeout_s=timeout_s) as client, Bar("listening"):
        voice = client.voices.add(name, reference, consent=consent, reference_text=reference_text)
    if as_json:
        print_json(asdict(voice))
    else:
        typer.echo(voice.name)


@voice_app.command("remove")
def remove_voice(
    name: Annotated[str, typer.Argument(help="A stored voice.")],
    url: Url = DEFAULT_ADDRESS,
    timeout_s: Timeout = DEFAULT_TIMEOUT_S,
) -> None:
    """Forget a stored voice."""
    with errors_on_one_line(), Client(url, timeout_s=timeout_s) as client:
        typer.echo(client.voices.remove(name))


@app.command()
def draw(
    text: Annotated[str, typer.Argument(help="What to draw; - reads standard input.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="A .png, .jpg, .webp or other picture file.")],
    size: Annotated[str | None, typer.Option(help="Pixels, such as 64x64; left out: the server's choice.")] = None,
    steps: Annotated[int | None, typer.Option(help="Denoising steps; left out: the server's choice.")] = None,
    seed: Seed = 0,
    as_json: AsJson = False,
    url: Url = DEFAULT_ADDRESS,
    timeout_s: Timeout = DEFAULT_TIMEOUT_S,
) -> None:
    """Draw TEXT into a picture file."""
    with errors_on_one_line(), Client(url, timeout_s=timeout_s) as client:
        picture_format(output)
        require_folder(output)
        with Bar("drawing") as bar:
            picture = client.image.generate(
                _text(text),
                size=size,
                steps=steps,
                seed=seed,
                on_progress=lambda progress: bar.show(progress.step, progress.steps),
            )
        picture.save(output)
    made = {
        "file": str(output),
        "prompt": picture.prompt,
        "width": picture.width,
        "height": picture.height,
        "seed": picture.seed,
        "timings": asdict(picture.timings),
        "request_id": picture.request_id,
    }
    _print_made(made, as_json)


def _transcribe_all(client: Client, pool: Executor, files: Sequence[Path], **options: Any) -> list[Outcome]:
    def outcome(file: Path) -> Outcome:
        try:
            return client.asr.transcribe(file, **options)
        except QwenError as error:
            return error
        except OSError as error:
            return InvalidRequest(error.strerror or str(error))

    outcomes: list[Outcome] = []
    with Bar("transcribing") as bar:
        for done in pool.map(outcome, files):
            outcomes.append(done)
            bar.show(len(outcomes), len(files))
    return outcomes


def _outcome_json(file: Path, outcome: Outcome) -> dict[str, Any]:
    if isinstance(outcome, Transcription):
        return {"file": str(file), **outcome.as_dict()}
    return {"file": str(file), "error": {"status": outcome.status, "message": outcome.message}}


def _print_lines(files: Sequence[Path], outcomes: Sequence[Outcome]) -> None:
    for file, outcome in zip(files, outcomes, strict=True):
        if not isinstance(outcome, Transcription):
            print_error(outcome, file)
        elif len(files) == 1:
            typer.echo(outcome.text)
        else:
            typer.echo(f"{file}: {outcome.text}")


def _print_made(made: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(made)
    else:
        typer.echo(made["file"])


def _text(argument: str) -> str:
    return sys.stdin.read().strip() if argument == "-" else argument
