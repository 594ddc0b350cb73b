"""`qwen say` and `qwen voice`."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from qwen_client.audio import audio_suffix
from qwen_client.client import DEFAULT_ADDRESS, DEFAULT_TIMEOUT_S, Client
from qwen_client.commands.options import AsJson, Seed, Timeout, Url, text_argument
from qwen_client.console import errors_on_one_line, print_json, print_made, require_folder
from qwen_client.effects import FACTORS
from qwen_client.progress import Bar

voice_app = typer.Typer(no_args_is_help=True, help="Voices that the server keeps.")


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
    speed: Annotated[float, typer.Option(min=FACTORS[0], max=FACTORS[1], help="How many times as fast.")] = 1.0,
    pitch: Annotated[float, typer.Option(min=FACTORS[0], max=FACTORS[1], help="How many times as high.")] = 1.0,
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
                text_argument(text),
                voice=voice,
                reference=reference,
                reference_text=reference_text,
                instruction=instruction,
                language=language,
                seed=seed,
                temperature=temperature,
            ).changed(speed=speed, pitch=pitch)
        speech.save(output)
    made = {
        "file": str(output),
        "duration_s": speech.duration_s,
        "sample_rate": speech.sample_rate,
        "finish_reason": speech.finish_reason,
        "timings": asdict(speech.timings),
        "request_id": speech.request_id,
    }
    print_made(made, as_json)


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
