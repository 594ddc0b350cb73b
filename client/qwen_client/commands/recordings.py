"""Where live captions get their audio from: a file, or standard input."""

import struct
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import BufferedIOBase
from pathlib import Path
from typing import BinaryIO

import soundfile

from qwen_client.errors import InvalidRequest
from qwen_client.pcm import AudioPiece

PIECE_S = 0.1
READ_BYTES = 65_536
RIFF_BYTES = 12
FORMAT_BYTES = 16
PCM16 = (1, 16)
UNTOLD_SIZES = (0, 2**32 - 1)  # what programs write that cannot go back to fill it in


@dataclass(frozen=True)
class Recording:
    """Pieces of audio as they come."""

    sample_rate: int
    channels: int
    pieces: Iterator[AudioPiece]


def open_file(path: Path) -> Recording:
    """The recording in a WAV, FLAC, OGG or MP3 file, in pieces of 0.1 s."""
    raw = path.open("rb")
    try:
        file = soundfile.SoundFile(raw)
    except soundfile.LibsndfileError as error:
        raw.close()
        raise InvalidRequest(f"{path} cannot be read: give a WAV, FLAC, OGG or MP3 file") from error
    return Recording(file.samplerate, file.channels, _read_file(raw, file))


def open_stream(stream: BufferedIOBase, sample_rate: int, channels: int) -> Recording:
    """What comes in on a pipe: WAV, which its header describes, or else 16-bit samples as stated."""
    head = stream.read(RIFF_BYTES)
    if head[:4] == b"RIFF" and head[8:] == b"WAVE":
        sample_rate, channels, num_bytes = _read_header(stream)
        return Recording(sample_rate, channels, _read_stream(stream, b"", num_bytes))
    return Recording(sample_rate, channels, _read_stream(stream, head, None))


def in_real_time(pieces: Iterable[AudioPiece]) -> Iterator[AudioPiece]:
    """Pieces of 0.1 s, each when its sound would have been over."""
    start_s = time.monotonic()
    for number, piece in enumerate(pieces, 1):
        time.sleep(max(0.0, start_s + number * PIECE_S - time.monotonic()))
        yield piece


def _read_file(raw: BinaryIO, file: soundfile.SoundFile) -> Iterator[AudioPiece]:
    with raw, file:
        yield from file.blocks(round(file.samplerate * PIECE_S), dtype="float32", always_2d=True)


def _read_stream(stream: BufferedIOBase, head: bytes, num_bytes: int | None) -> Iterator[AudioPiece]:
    """Whatever has arrived, up to `num_bytes` (None: to the end)."""
    yield head
    left = num_bytes
    while piece := stream.read1(READ_BYTES if left is None else min(left, READ_BYTES)):
        left = None if left is None else left - len(piece)
        yield piece


def _read_header(stream: BufferedIOBase) -> tuple[int, int, int | None]:
    """Rate, channels and size of the samples (None: not told) of a WAV file whose first 12 bytes are read."""
    layout = None
    while True:
        name, num_bytes = struct.unpack("<4sI", _exactly(stream, 8))
        if name == b"data" and layout:
            return (*layout, None if num_bytes in UNTOLD_SIZES else num_bytes)
        chunk = _exactly(stream, num_bytes + num_bytes % 2)
        if name == b"fmt ":
            layout = _layout(chunk)


def _layout(chunk: bytes) -> tuple[int, int]:
    tag, channels, sample_rate, bits = struct.unpack_from("<HHI6xH", chunk.ljust(FORMAT_BYTES, b"\0"))
    if (tag, bits) != PCM16:
        raise InvalidRequest(f"standard input is WAV of {bits} bits, format {tag}: give 16-bit PCM (arecord -f S16_LE)")
    return sample_rate, channels


def _exactly(stream: BufferedIOBase, num_bytes: int) -> bytes:
    read = stream.read(num_bytes) if num_bytes <= READ_BYTES else b""
    if len(read) < num_bytes:
        raise InvalidRequest("the WAV header on standard input is damaged: give 16-bit PCM (arecord -f S16_LE)")
    return read
