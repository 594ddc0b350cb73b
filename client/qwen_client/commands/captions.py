"""`qwen captions`."""

import signal
import sys
from collections.abc import Iterable, Iterator
from io import BufferedIOBase
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, cast

import typer
from rich.console import Console
from rich.live import Live
from rich.text import Text

from qwen_client.captions import DEFAULT_SAMPLE_RATE
from qwen_client.client import Client
from qwen_client.commands.options import Context, SpeechLanguage
from qwen_client.commands.server_calls import calls_server
from qwen_client.console import json_text, print_shortfalls
from qwen_client.extras import audio_extra
from qwen_client.pcm import AudioPiece
from qwen_wire.errors import InvalidRequest
from qwen_wire.transcripts import Caption

if TYPE_CHECKING:
    from qwen_client.commands.recordings import Recording

PARTIAL_STYLE = "bright_black"


@calls_server()
def captions(
    client: Client,
    source: Annotated[
        str, typer.Argument(metavar="FILE|-", help="A recording; -: 16-bit samples, or WAV, from standard input.")
    ],
    language: SpeechLanguage = None,
    context: Context = "",
    sample_rate: Annotated[int, typer.Option(min=1, help="Sample rate in Hz of standard input.")] = DEFAULT_SAMPLE_RATE,
    channels: Annotated[int, typer.Option(min=1, help="Channels of standard input.")] = 1,
    realtime: Annotated[bool, typer.Option("--realtime", help="Send a file at the pace of playback.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print each caption as a line of JSON.")] = False,
) -> None:
    """Show live captions of speech: arecord -f S16_LE -r 16000 -c 1 -t raw | qwen captions -

    On a terminal, text that may still change is grey. Ctrl-C ends the audio; its captions are completed.
    """
    recording = _open(source, sample_rate, channels, realtime)
    with client.asr.stream(
        language=language, context=context, sample_rate=recording.sample_rate, channels=recording.channels
    ) as session:
        _show(_warning(session.iterate(_until_interrupted(recording.pieces))), as_json)
    print_shortfalls({"finish_reason": "stop", "damage_s": recording.damage_s}, "the text")


def _open(source: str, sample_rate: int, channels: int, realtime: bool) -> "Recording":
    # FFmpeg loads with it; only who reads a recording needs it.
    with audio_extra("reads recordings"):
        from qwen_client.commands.recordings import in_real_time, open_file, open_stream

    if source != "-":
        recording = open_file(Path(source))
        if realtime:
            recording.pieces = in_real_time(recording.pieces)
        return recording
    if realtime:
        raise InvalidRequest("--realtime is for files: standard input comes at its own pace")
    return open_stream(cast(BufferedIOBase, sys.stdin.buffer), sample_rate, channels)


def _until_interrupted(pieces: Iterable[AudioPiece]) -> Iterator[AudioPiece]:
    """The pieces until the first Ctrl-C; a second one ends the program, as usual."""
    coming = iter(pieces)
    is_interrupted = is_waiting = False

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal is_interrupted
        is_interrupted = True
        signal.signal(number, before)
        if is_waiting:
            raise _Interrupted  # which ends the wait for a pipe that is quiet

    before = signal.signal(signal.SIGINT, stop)
    try:
        while not is_interrupted:
            try:
                is_waiting = True
                piece = next(coming, None)
                is_waiting = False
            except _Interrupted:
                return
            if piece is None:
                return
            yield piece
    finally:
        signal.signal(signal.SIGINT, before)


class _Interrupted(Exception):
    """Ctrl-C, while nothing but audio was waited for."""


def _warning(captions: Iterable[Caption]) -> Iterator[Caption]:
    """The same captions; at their end, a warning for each that was cut."""
    cut: list[Caption] = []
    for caption in captions:
        if caption.finish_reason == "length":
            cut.append(caption)
        yield caption
    for caption in cut:
        times = [f"from {one.start_s:.3g} to {one.end_s:.3g} s" for one in caption.segments]
        where = ", ".join(times) or f"before {caption.audio_s:.3g} s"
        print_shortfalls({"finish_reason": "length"}, f"the text of what is said {where}")


def _show(captions: Iterable[Caption], as_json: bool) -> None:
    if as_json:
        for caption in captions:
            typer.echo(json_text(caption.as_dict()))
        return
    lines, console = _Lines(), Console()
    try:
        if console.is_terminal:
            _show_live(captions, lines, console)
        else:
            for caption in captions:
                if line := lines.ended(caption):
                    typer.echo(line)
    finally:
        if lines.running:  # cut off by an error
            typer.echo(lines.running)


def _show_live(captions: Iterable[Caption], lines: "_Lines", console: Console) -> None:
    """What has ended scrolls up; below it, the running text, grey where it may still change."""
    with Live(console=console, auto_refresh=False, transient=True) as live:
        for caption in captions:
            if line := lines.ended(caption):
                console.print(Text(line), soft_wrap=True)
            live.update(Text.assemble(lines.running, (caption.partial, PARTIAL_STYLE)), refresh=True)


class _Lines:
    """Cuts the stable text, which only grows, into a line whenever a segment has ended."""

    def __init__(self) -> None:
        self._stable = ""
        self._num_written = 0

    def ended(self, caption: Caption) -> str:
        """What makes a line now; empty: nothing."""
        self._stable = caption.stable
        if not caption.segments and not caption.is_final:
            return ""
        line = caption.stable[self._num_written :].strip()
        self._num_written = len(caption.stable)
        return line

    @property
    def running(self) -> str:
        """What is stable, but not yet a line."""
        return self._stable[self._num_written :].lstrip()
