"""`qwen minutes`, `storyboard`, `lesson`, `ad` and `describe`."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from qwen_client.client import DEFAULT_ADDRESS
from qwen_client.commands.chain_view import CHAIN_TIMEOUT_S, Out, run_and_save
from qwen_client.commands.options import AsJson, Heard, Seed, Tenant, Timeout, Url, text_argument
from qwen_client.documents.slides import require_slides
from qwen_client.documents.word import require_word

Text = Annotated[str | None, typer.Argument(help="The text; - reads standard input. Optional with --audio.")]
Audio = Annotated[Path | None, typer.Option(help="Recording of the text, instead of it or in addition.")]
StyleOption = Annotated[str | None, typer.Option("--style", help="Style; `qwen styles` lists them.")]
SizeOption = Annotated[
    str | None,
    typer.Option("--size", help="WIDTHxHEIGHT in pixels, or an aspect ratio such as 16:9. Default: set by the server."),
]
Steps = Annotated[int | None, typer.Option(help="Number of denoising steps. Default: set by the server.")]
MaxAudio = Annotated[float | None, typer.Option("--max-audio", help="Refuse recordings longer than this many seconds.")]
Voices = Annotated[
    list[str] | None, typer.Option("--voice", help="Voice that reads the copy; may be repeated, each reads everything.")
]


def minutes(
    audio: Annotated[
        list[Path], typer.Argument(help="One recording per speaker, or one file with a channel per speaker.")
    ],
    out: Out = Path("minutes"),
    speaker: Annotated[
        list[str] | None, typer.Option(help="Name of a speaker, in the order of the recordings; repeat for each.")
    ] = None,
    day: Annotated[
        datetime | None, typer.Option("--date", formats=["%Y-%m-%d"], help="Date of the meeting. Default: today.")
    ] = None,
    language: Heard = None,
    context: Annotated[str | None, typer.Option(help="Words that are likely to occur, such as names.")] = None,
    illustration: Annotated[str | None, typer.Option(help="Prompt of the illustration. Default: the title.")] = None,
    illustrate: Annotated[bool, typer.Option(help="Generate an illustration besides the charts.")] = True,
    max_audio_s: MaxAudio = None,
    seed: Seed = 0,
    as_json: AsJson = False,
    url: Url = DEFAULT_ADDRESS,
    tenant: Tenant = None,
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
        tenant=tenant,
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
    tenant: Tenant = None,
    timeout_s: Timeout = CHAIN_TIMEOUT_S,
) -> None:
    """Turn the idea in TEXT into a storyboard of three to five pictures."""
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
        tenant=tenant,
        timeout_s=timeout_s,
        as_json=as_json,
        needs=[require_word],
    )


def lesson(
    text: Text = None,
    out: Out = Path("lesson"),
    audio: Audio = None,
    language: Annotated[
        str | None, typer.Option(help="Language of the lecture. Default: as recognised from speech, English for text.")
    ] = None,
    into: Annotated[list[str] | None, typer.Option(help="Target language, such as zh; may be repeated.")] = None,
    voice: Annotated[
        list[str] | None, typer.Option(help="Narrator of a language, such as zh=mei. Default: set by the server.")
    ] = None,
    max_audio_s: MaxAudio = None,
    seed: Seed = 0,
    as_json: AsJson = False,
    url: Url = DEFAULT_ADDRESS,
    tenant: Tenant = None,
    timeout_s: Timeout = CHAIN_TIMEOUT_S,
) -> None:
    """Turn the lecture in TEXT into presentations with narration, in several languages."""
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
        tenant=tenant,
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
    tenant: Tenant = None,
    timeout_s: Timeout = CHAIN_TIMEOUT_S,
) -> None:
    """Create an advertisement for the product in TEXT: copy, narration and pictures."""
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
        tenant=tenant,
        timeout_s=timeout_s,
        as_json=as_json,
        needs=[require_word],
    )


def describe(
    picture: Annotated[Path, typer.Argument(help="A PNG, JPEG or WebP file.")],
    question: Annotated[str, typer.Argument(help="Question about the picture. Default: describe it.")] = "",
    out: Out = Path("description"),
    voice: Annotated[str | None, typer.Option(help="A speaker or stored voice; see `qwen voice list`.")] = None,
    language: Annotated[str | None, typer.Option(help="Language of the speech.")] = None,
    seed: Seed = 0,
    as_json: AsJson = False,
    url: Url = DEFAULT_ADDRESS,
    tenant: Tenant = None,
    timeout_s: Timeout = CHAIN_TIMEOUT_S,
) -> None:
    """Describe PICTURE as text and as speech."""
    run_and_save(
        lambda client: client.chains.describe_aloud(
            picture, question, voice=voice, language=language, seed=seed, deadline_s=timeout_s
        ),
        out,
        url=url,
        tenant=tenant,
        timeout_s=timeout_s,
        as_json=as_json,
    )


def _text(argument: str | None) -> str | None:
    return None if argument is None else text_argument(argument)


def _voice(pair: str) -> tuple[str, str | None]:
    """zh=mei: who speaks Chinese; zh alone: the server's choice does."""
    code, _, name = pair.partition("=")
    return code, name or None
