"""`qwen say` and `qwen voice`."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from qwen_client.audio import audio_suffix
from qwen_client.client import Client
from qwen_client.commands.options import AsJson, Seed
from qwen_client.commands.server_calls import calls_server
from qwen_client.commands.standard_streams import STANDARD, file_argument, require_output, text_argument, write_output
from qwen_client.console import print_json, print_made, print_shortfalls
from qwen_client.effects import FACTORS
from qwen_client.progress import Bar

voice_app = typer.Typer(no_args_is_help=True, help="Manage stored voices.")


@calls_server()
def say(
    client: Client,
    text: Annotated[str, typer.Argument(help="Text to speak; - reads standard input.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="A .wav, .flac, .ogg, .opus or .mp3 file; -: WAV to standard output.")
    ],
    voice: Annotated[str | None, typer.Option(help="A speaker or stored voice; see `qwen voice list`.")] = None,
    reference: Annotated[Path | None, typer.Option(help="Recording of a voice to clone.")] = None,
    reference_text: Annotated[str, typer.Option(help="Text spoken in the recording; improves the clone.")] = "",
    consent: Annotated[str, typer.Option(help="Who consented to the use of the recorded voice.")] = "",
    instruction: Annotated[str, typer.Option(help="Description of the voice and the style of speaking.")] = "",
    language: Annotated[str | None, typer.Option(help="Such as English, en or en-US.")] = None,
    seed: Seed = None,
    temperature: Annotated[float | None, typer.Option(help="Sampling temperature; 0: greedy.")] = None,
    speed: Annotated[float, typer.Option(min=FACTORS[0], max=FACTORS[1], help="Factor of the speed.")] = 1.0,
    pitch: Annotated[float, typer.Option(min=FACTORS[0], max=FACTORS[1], help="Factor of the pitch.")] = 1.0,
    as_json: AsJson = False,
) -> None:
    """Synthesize TEXT and write it to an audio file."""
    require_output(output, as_json)
    if str(output) != STANDARD:
        audio_suffix(output)
    with Bar("speaking"):
        speech = client.tts.synthesize(
            text_argument(text),
            voice=voice,
            reference=None if reference is None else file_argument(reference),
            reference_text=reference_text,
            consent=consent,
            instruction=instruction,
            language=language,
            seed=seed,
            temperature=temperature,
        ).changed(speed=speed, pitch=pitch)
    is_file = write_output(output, speech.to_bytes, speech.save)
    made = {
        "file": str(output),
        "duration_s": speech.duration_s,
        "sample_rate": speech.sample_rate,
        "finish_reason": speech.finish_reason,
        "cut_by": speech.cut_by,
        "seed": speech.seed,
        "timings": asdict(speech.timings),
        "request_id": speech.request_id,
    }
    print_shortfalls(made, f"the speech of {speech.duration_s:.3g} s")
    if is_file:
        print_made(made, as_json)


@voice_app.command("list")
@calls_server()
def list_voices(client: Client, as_json: AsJson = False) -> None:
    """List the checkpoint's speakers and the stored voices, one per line."""
    known = client.voices.list()
    if as_json:
        print_json(asdict(known))
    else:
        typer.echo("\n".join([*known.speakers, *(f"{voice.name} ({voice.consent})" for voice in known.voices)]))


@voice_app.command("add")
@calls_server()
def add_voice(
    client: Client,
    name: Annotated[str, typer.Argument(help="Name of the voice: a-z, 0-9, - and _.")],
    reference: Annotated[
        Path, typer.Argument(help="A recording of the voice, at least half a second long; - reads standard input.")
    ],
    consent: Annotated[str, typer.Option(help="Who consented to the use of the voice.")],
    reference_text: Annotated[str, typer.Option(help="Text spoken in the recording; improves the clone.")] = "",
    as_json: AsJson = False,
) -> None:
    """Store the voice of a recording under NAME."""
    with Bar("listening"):
        voice = client.voices.add(name, file_argument(reference), consent=consent, reference_text=reference_text)
    if as_json:
        print_json(asdict(voice))
    else:
        typer.echo(voice.name)


@voice_app.command("remove")
@calls_server()
def remove_voice(
    client: Client,
    name: Annotated[str, typer.Argument(help="Name of a stored voice.")],
) -> None:
    """Delete a stored voice."""
    typer.echo(client.voices.remove(name))
