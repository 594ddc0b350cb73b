"""`qwen minutes`, `storyboard`, `lesson`, `ad` and `describe`.

Each function turns what is special to its command into arguments of the SDK's method; `SHARED_OPTIONS` has the rest.
"""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from qwen_client.commands.chain_view import chain_command
from qwen_client.commands.standard_streams import text_argument
from qwen_client.documents.slides import require_slides
from qwen_client.documents.word import require_word
from qwen_wire.errors import InvalidRequest
from qwen_wire.languages import resolve_language

Text = Annotated[str | None, typer.Argument(help="The text; - reads standard input. Optional with --audio.")]


@chain_command("meeting_minutes", out=Path("minutes"), needs=[require_word])
def minutes(
    audio: Annotated[
        list[Path], typer.Argument(help="One recording per speaker, or one file with a channel per speaker.")
    ],
    speaker: Annotated[
        list[str] | None, typer.Option(help="Name of a speaker, in the order of the recordings; repeat for each.")
    ] = None,
    day: Annotated[
        datetime | None, typer.Option("--date", formats=["%Y-%m-%d"], help="Date of the meeting. Default: today.")
    ] = None,
    illustration: Annotated[str | None, typer.Option(help="Prompt of the illustration. Default: the title.")] = None,
    illustrate: Annotated[bool, typer.Option(help="Generate an illustration besides the charts.")] = True,
) -> dict[str, Any]:
    """Write the minutes of the meeting in AUDIO: documents, subtitles and charts."""
    return {
        "recordings": audio,
        "speakers": speaker,
        "day": day.date() if day else None,
        "illustration": illustration,
        "illustrate": illustrate,
    }


@chain_command("storyboard", out=Path("storyboard"), needs=[require_word])
def storyboard(text: Text = None) -> dict[str, Any]:
    """Turn the idea in TEXT into a storyboard of three to five pictures."""
    return {"idea": _text(text)}


@chain_command("courseware", out=Path("lesson"), needs=[require_word, require_slides])
def lesson(
    text: Text = None,
    language: Annotated[
        str | None, typer.Option(help="Language of the lecture. Default: as recognised from speech, English for text.")
    ] = None,
    into: Annotated[list[str] | None, typer.Option(help="Target language, such as zh; may be repeated.")] = None,
    voice: Annotated[
        list[str] | None, typer.Option(help="Narrator of a language, such as zh=mei. Default: set by the server.")
    ] = None,
) -> dict[str, Any]:
    """Turn the lecture in TEXT into presentations with narration, in several languages."""
    voices = None if voice is None else dict(map(_voice, voice))
    return {"text": _text(text), "language": language, "languages": into, "voices": voices}


@chain_command("product_ad", out=Path("ad"), needs=[require_word])
def ad(
    text: Text = None,
    voice: Annotated[
        list[str] | None,
        typer.Option("--voice", help="Voice that reads the copy; may be repeated, each reads everything."),
    ] = None,
) -> dict[str, Any]:
    """Create an advertisement for the product in TEXT: copy, narration and pictures."""
    return {"product": _text(text), "voices": voice}


@chain_command("describe_aloud", out=Path("description"))
def describe(
    picture: Annotated[Path, typer.Argument(help="A PNG, JPEG or WebP file.")],
    question: Annotated[str, typer.Argument(help="Question about the picture. Default: describe it.")] = "",
    voice: Annotated[str | None, typer.Option(help="A speaker or stored voice; see `qwen voice list`.")] = None,
    language: Annotated[str | None, typer.Option(help="Language of the speech.")] = None,
) -> dict[str, Any]:
    """Describe PICTURE as text and as speech."""
    return {"picture": picture, "question": question, "voice": voice, "language": language}


def _text(argument: str | None) -> str | None:
    return None if argument is None else text_argument(argument)


def _voice(pair: str) -> tuple[str, str | None]:
    """zh=mei: who speaks Chinese; zh alone: the server's choice does."""
    code, _, name = pair.partition("=")
    if resolve_language(code, f"the language of --voice {pair}") is None:
        raise InvalidRequest(f"--voice {pair}: give LANGUAGE=VOICE, such as zh=mei")
    return code, name or None
