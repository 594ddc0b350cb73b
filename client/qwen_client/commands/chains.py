"""`qwen minutes`, `storyboard`, `lesson`, `ad` and `describe`."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from qwen_client.client import DEFAULT_ADDRESS
from qwen_client.commands.following import CHAIN_TIMEOUT_S, Out, run_and_save
from qwen_client.commands.options import AsJson, Heard, Seed, Timeout, Url, text_argument
from qwen_client.documents.slides import require_slides
from qwen_client.documents.word import require_word

Text = Annotated[str | None, typer.Argument(help="The text; - reads standard input. Left out: --audio has it.")]
Audio = Annotated[Path | None, typer.Option(help="A recording of it, in place of the text or besides.")]
StyleOption = Annotated[str | None, typer.Option("--style", help="A name that `qwen styles` prints.")]
SizeOption = Annotated[str | None, typer.Option("--size", help="64x48 pixels, or a ratio: 16:9. Left out: by server.")]
Steps = Annotated[int | None, typer.Option(help="Denoising steps; left out: the server's choice.")]
MaxAudio = Annotated[float | None, typer.Option("--max-audio", help="Seconds a file may be long.")]
Voices = Annotated[list[str] | None, typer.Option("--voice", help="A voice to read it; several: each reads all.")]


def minutes(
    audio: Annotated[list[Path], typer.Argument(help="A recording for each speaker, or one with a channel for each.")],
    out: Out = Path("minutes"),
    speaker: Annotated[list[str] | None, typer.Option(help="Their names, in order; once for each.")] = None,
    day: Annotated[
        datetime | None, typer.Option("--date", formats=["%Y-%m-%d"], help="The meeting's; left out: today.")
    ] = None,
    language: Heard = None,
    context: Annotated[str | None, typer.Option(help="Words to expect, such as names.")] = None,
    illustration: Annotated[str | None, typer.Option(help="What to draw; left out: the title.")] = None,
    illustrate: Annotated[bool, typer.Option(help="Draw an illustration besides the charts.")] = True,
    max_audio_s: MaxAudio = None,
    seed: Seed = 0,
    as_json: AsJson = False,
    url: Url = DEFAULT_ADDRESS,
    timeout_s: Timeout = CHAIN_TIMEOUT_S,
) -> None:
    """Write the minutes of the meeting in AUDIO: documents, subtitles and charts."""
    run_and_save(
        lambda client: client.chains.meeting_minutes(
            audio,
            speakers=speaker,
            day=day.date() if day else None,
            language=language,
            context=context,
            illustration=illustration,
            illustrate=illustrate,
            max_audio_s=max_audio_s,
            seed=seed,
            deadline_s=timeout_s,
        ),
        out,
        url=url,
        timeout_s=timeout_s,
        as_json=as_json,
        needs=[require_word],
    )


def storyboard(
    text: Text = None,
    out: Out = Path("storyboard"),
    audio: Audio = None,
    language: Heard = None,
    style: StyleOption = None,
    size: SizeOption = None,
    steps: Steps = None,
    seed: Seed = 0,
    as_json: AsJson = False,
    url: Url = DEFAULT_ADDRESS,
    timeout_s: Timeout = CHAIN_TIMEOUT_S,
) -> None:
    """Make a story with three to five pictures of the idea in TEXT."""
    run_and_save(
        lambda client: client.chains.storyboard(
            _text(text),
            audio=audio,
            language=language,
            style=style,
            size=size,
            steps=steps,
            seed=seed,
            deadline_s=timeout_s,
        ),
        out,
        url=url,
        timeout_s=timeout_s,
        as_json=as_json,
        needs=[require_word],
    )


def lesson(
    text: Text = None,
    out: Out = Path("lesson"),
    audio: Audio = None,
    language: Annotated[
        str | None, typer.Option(help="Of the lecture; left out: as recognised, English for text.")
    ] = None,
    into: Annotated[list[str] | None, typer.Option(help="ISO code of a language to have it in; several times.")] = None,
    voice: Annotated[list[str] | None, typer.Option(help="Who narrates: zh=mei. Left out: by server.")] = None,
    max_audio_s: MaxAudio = None,
    seed: Seed = 0,
    as_json: AsJson = False,
    url: Url = DEFAULT_ADDRESS,
    timeout_s: Timeout = CHAIN_TIMEOUT_S,
) -> None:
    """Make a lesson of the lecture in TEXT: presentations with narration in several languages."""
    voices = None if voice is None else dict(map(_voice, voice))
    run_and_save(
        lambda client: client.chains.courseware(
            _text(text),
            audio=audio,
            language=language,
            languages=into,
            voices=voices,
            max_audio_s=max_audio_s,
            seed=seed,
            deadline_s=timeout_s,
        ),
        out,
        url=url,
        timeout_s=timeout_s,
        as_json=as_json,
        needs=[require_word, require_slides],
    )


def ad(
    text: Text = None,
    out: Out = Path("ad"),
    audio: Audio = None,
    language: Heard = None,
    voice: Voices = None,
    style: StyleOption = None,
    size: SizeOption = None,
    steps: Steps = None,
    seed: Seed = 0,
    as_json: AsJson = False,
    url: Url = DEFAULT_ADDRESS,
    timeout_s: Timeout = CHAIN_TIMEOUT_S,
) -> None:
    """Advertise the product in TEXT: copy, voices and pictures."""
    run_and_save(
        lambda client: client.chains.product_ad(
            _text(text),
            audio=audio,
            language=language,
            voices=voice,
            style=style,
            size=size,
            steps=steps,
            seed=seed,
            deadline_s=timeout_s,
        ),
        out,
        url=url,
        timeout_s=timeout_s,
        as_json=as_json,
        needs=[require_word],
    )


def describe(
    picture: Annotated[Path, typer.Argument(help="A PNG, JPEG or WebP file.")],
    question: Annotated[str, typer.Argument(help="What to say of it; left out: all.")] = "",
    out: Out = Path("description"),
    voice: Annotated[str | None, typer.Option(help="A speaker or stored voice; see `qwen voice list`.")] = None,
    language: Annotated[str | None, typer.Option(help="Of the speech.")] = None,
    seed: Seed = 0,
    as_json: AsJson = False,
    url: Url = DEFAULT_ADDRESS,
    timeout_s: Timeout = CHAIN_TIMEOUT_S,
) -> None:
    """Say what PICTURE shows: as text and as speech."""
    run_and_save(
        lambda client: client.chains.describe_aloud(
            picture, question, voice=voice, language=language, seed=seed, deadline_s=timeout_s
        ),
        out,
        url=url,
        timeout_s=timeout_s,
        as_json=as_json,
    )


def _text(argument: str | None) -> str | None:
    return None if argument is None else text_argument(argument)


def _voice(pair: str) -> tuple[str, str | None]:
    """zh=mei: who speaks Chinese; zh alone: the server's choice does."""
    code, _, name = pair.partition("=")
    return code, name or None
