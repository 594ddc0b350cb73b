"""`qwen talk`."""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from functools import partial
from io import BufferedIOBase
from pathlib import Path
from typing import Annotated, TypeAlias, cast

import typer

from qwen_client.audio import audio_suffix
from qwen_client.captions import DEFAULT_SAMPLE_RATE
from qwen_client.chains.conversation import Conversation, VoiceRun
from qwen_client.chains.voice import VoiceReply
from qwen_client.client import Client
from qwen_client.commands.options import Context, Seed, SpeechLanguage
from qwen_client.commands.server_calls import calls_server
from qwen_client.console import json_text, print_warning, require_folder
from qwen_client.extras import audio_extra
from qwen_client.stages import StageView
from qwen_wire.errors import ChainFailed, InvalidRequest

STANDARD_INPUT = "-"
Kept: TypeAlias = Mapping[str, str]
"""Name and token of a conversation that stays open."""


@calls_server()
def talk(
    client: Client,
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE...|-",
            help="One recording per turn. -: 16-bit samples or WAV from standard input; a pause ends a turn.",
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Audio file of the reply; several turns: reply-1.wav, ...")
    ] = Path("reply.wav"),
    session: Annotated[str | None, typer.Option(help="Name of the conversation; a named one stays open.")] = None,
    token: Annotated[
        str | None, typer.Option(envvar="QWEN_SESSION_TOKEN", help="Token of an open conversation to continue.")
    ] = None,
    voice: Annotated[str | None, typer.Option(help="A speaker or stored voice; see `qwen voice list`.")] = None,
    language: SpeechLanguage = None,
    context: Context = "",
    sample_rate: Annotated[int, typer.Option(min=1, help="Sample rate in Hz of standard input.")] = DEFAULT_SAMPLE_RATE,
    channels: Annotated[int, typer.Option(min=1, help="Channels of standard input.")] = 1,
    seed: Seed = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print each turn as a line of JSON.")] = False,
) -> None:
    """Send spoken messages and save the spoken replies: arecord -f S16_LE -r 16000 -c 1 -t raw | qwen talk -"""
    audio_suffix(output)
    require_folder(output)
    is_live = files == [STANDARD_INPUT]
    if STANDARD_INPUT in files and not is_live:
        raise InvalidRequest("- is standard input, which has all turns: give no files beside it")
    conversation = client.chains.conversation(
        session, token=token, voice=voice, language=language, context=context, seed=seed
    )
    try:
        said = _live(conversation, sample_rate, channels) if is_live else map(conversation.say, files)
        for number, run in enumerate(said, 1):
            path = output if len(files) == 1 and not is_live else _numbered(output, number)
            kept = {} if session is None else {"session": session, "token": conversation.token}
            _answer(run, path, as_json, kept)
    finally:
        if session is None:
            conversation.close()


def _live(conversation: Conversation, sample_rate: int, channels: int) -> Iterator[VoiceRun]:
    """A turn for each utterance on standard input."""
    with audio_extra("reads recordings"):
        from qwen_client.commands.recordings import open_stream  # FFmpeg loads with it

    recording = open_stream(cast(BufferedIOBase, sys.stdin.buffer), sample_rate, channels)
    hear = partial(conversation.hear, recording.pieces, sample_rate=recording.sample_rate, channels=recording.channels)
    while said := hear():
        yield conversation.say(text=said)


def _answer(run: VoiceRun, path: Path, as_json: bool, kept: Kept) -> None:
    """Tell a turn and save its sound; where a stage failed, as far as it got."""
    try:
        with StageView() as view, run:
            for event in run:
                view.show(event)
        _tell(run.result(), path, as_json, kept)
    except ChainFailed as failure:
        _tell(failure.result, path, as_json, kept)
        raise


def _tell(reply: VoiceReply, path: Path, as_json: bool, kept: Kept) -> None:
    made = {"heard": reply.heard, "said": reply.text, "file": str(path) if len(reply.samples) else None, **kept}
    if made["file"]:
        reply.save(path)
    for shortfall in reply.shortfalls:
        print_warning(str(shortfall))
    if as_json:
        shortfalls = [asdict(one) for one in reply.shortfalls]
        turn = {
            **made,
            "shortfalls": shortfalls,
            "duration_s": reply.duration_s,
            "times_s": dict(reply.times_s),
            "seed": reply.seed,
            "request_id": reply.request_id,
        }
        typer.echo(json_text(turn))
    else:
        typer.echo("\n".join(f"{name}: {value}" for name, value in made.items() if value))


def _numbered(path: Path, number: int) -> Path:
    return path.with_stem(f"{path.stem}-{number}")
