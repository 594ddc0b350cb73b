"""`qwen talk`."""

import json
import sys
from collections.abc import Iterator
from functools import partial
from io import BufferedIOBase
from pathlib import Path
from typing import Annotated, cast

import typer

from qwen_client.audio import audio_suffix
from qwen_client.captions import DEFAULT_SAMPLE_RATE
from qwen_client.chains.conversation import Conversation, VoiceRun
from qwen_client.chains.voice import VoiceReply
from qwen_client.client import DEFAULT_ADDRESS, DEFAULT_TIMEOUT_S, Client
from qwen_client.commands.options import Context, Heard, Seed, Timeout, Url
from qwen_client.commands.recordings import open_stream
from qwen_client.console import errors_on_one_line, require_folder
from qwen_client.errors import ChainFailed, InvalidRequest
from qwen_client.stages import StageView

STANDARD_INPUT = "-"


def talk(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE...|-",
            help="Recordings, one for each turn; -: 16-bit samples, or WAV, from standard input, a turn at each pause.",
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The reply's audio file; of several turns reply-1.wav, …")
    ] = Path("reply.wav"),
    session: Annotated[str | None, typer.Option(help="A conversation to go on with; it stays open.")] = None,
    voice: Annotated[str | None, typer.Option(help="A speaker or stored voice; see `qwen voice list`.")] = None,
    language: Heard = None,
    context: Context = "",
    sample_rate: Annotated[int, typer.Option(min=1, help="Of samples from standard input.")] = DEFAULT_SAMPLE_RATE,
    channels: Annotated[int, typer.Option(min=1, help="Of samples from standard input.")] = 1,
    seed: Seed = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print each turn as a line of JSON.")] = False,
    url: Url = DEFAULT_ADDRESS,
    timeout_s: Timeout = DEFAULT_TIMEOUT_S,
) -> None:
    """Say what is in FILE, and hear the reply: arecord -f S16_LE -r 16000 -c 1 -t raw | qwen talk -"""
    with errors_on_one_line(), Client(url, timeout_s=timeout_s) as client:
        audio_suffix(output)
        require_folder(output)
        is_live = files == [STANDARD_INPUT]
        if STANDARD_INPUT in files and not is_live:
            raise InvalidRequest("- is standard input, which has all turns: give no files beside it")
        conversation = client.chains.conversation(session, voice=voice, language=language, context=context, seed=seed)
        try:
            said = _live(conversation, sample_rate, channels) if is_live else map(conversation.say, files)
            for number, run in enumerate(said, 1):
                path = output if len(files) == 1 and not is_live else _numbered(output, number)
                _answer(run, path, as_json)
        finally:
            if session is None:
                conversation.close()


def _live(conversation: Conversation, sample_rate: int, channels: int) -> Iterator[VoiceRun]:
    """A turn for each utterance on standard input."""
    recording = open_stream(cast(BufferedIOBase, sys.stdin.buffer), sample_rate, channels)
    hear = partial(conversation.hear, recording.pieces, sample_rate=recording.sample_rate, channels=recording.channels)
    while said := hear():
        yield conversation.say(text=said)


def _answer(run: VoiceRun, path: Path, as_json: bool) -> None:
    """Tell a turn and save its sound; where a stage failed, as far as it got."""
    try:
        with StageView() as view, run:
            for event in run:
                view.show(event)
        _tell(run.result(), path, as_json)
    except ChainFailed as failure:
        _tell(failure.result, path, as_json)
        raise


def _tell(reply: VoiceReply, path: Path, as_json: bool) -> None:
    made = {"heard": reply.heard, "said": reply.text, "file": str(path) if len(reply.samples) else None}
    if made["file"]:
        reply.save(path)
    if as_json:
        told = {**made, "duration_s": reply.duration_s, "times_s": dict(reply.times_s), "request_id": reply.request_id}
        typer.echo(json.dumps(told, ensure_ascii=False))
    else:
        typer.echo("\n".join(f"{name}: {value}" for name, value in made.items() if value))


def _numbered(path: Path, number: int) -> Path:
    return path.with_stem(f"{path.stem}-{number}")
