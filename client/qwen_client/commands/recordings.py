"""Where live captions get their audio from: a file, or standard input."""

import mmap
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import BufferedIOBase
from itertools import chain
from pathlib import Path

import numpy as np

from qwen_client.pcm import AudioPiece
from qwen_media.block import Block, Blocks
from qwen_media.errors import BadMedia
from qwen_media.formats import format_name, read_sound
from qwen_media.limits import SoundLimits
from qwen_media.resampling import uniform
from qwen_media.wav import START_BYTES, WavHeader, is_wav, read_header
from qwen_wire.errors import InvalidRequest

PIECE_S = 0.1
MAX_S = 24 * 3600.0
READ_BYTES = 65_536
TELLING_BYTES = 8_192  # of frames without a header before them: fewer might be samples by chance
PCM16 = (1, 16)


class Recording:
    """Pieces of audio as they come. `damage_s`: seconds of those that came which are missing in the file."""

    def __init__(self, sample_rate: int, channels: int, pieces: Iterator[AudioPiece] | None = None) -> None:
        self.sample_rate = sample_rate
        self.channels = channels
        self.damage_s = 0.0
        self.pieces: Iterator[AudioPiece] = iter(()) if pieces is None else pieces


def open_file(path: Path) -> Recording:
    """The recording in a file of any format, in pieces of 0.1 s, in the form that its sound begins with.

    Raises:
        InvalidRequest: there is no sound that can be read.
    """
    with path.open("rb") as file, _naming(path):
        # A pipe has no size, and is read as it comes.
        is_plain = path.is_file() and path.stat().st_size
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if is_plain else file.read()
        blocks = read_sound(memoryview(data), SoundLimits(MAX_S))
        first = next(blocks)
    recording = Recording(first.rate_hz, first.num_channels)
    recording.pieces = _file_pieces(recording, path, first, blocks)
    return recording


def open_stream(stream: BufferedIOBase, sample_rate: int, channels: int) -> Recording:
    """What comes in on a pipe: WAV, which its header describes, or else 16-bit samples as stated.

    Raises:
        InvalidRequest: it is compressed, or a WAV file that is damaged.
    """
    head = stream.read(START_BYTES)
    with _naming("standard input"):
        if is_wav(head):
            header = read_header(stream.read)
            if not header.form.is_plain:
                raise BadMedia("is a WAV file of compressed samples: give the file by its name")
            SoundLimits(MAX_S).check_form(header.form.rate_hz, header.form.num_channels)
            return Recording(header.form.rate_hz, header.form.num_channels, _wav_pieces(stream, header))
    if head[:1] == b"\xff":  # as frames of MP3 and AAC begin, and samples now and then
        head += stream.read(TELLING_BYTES)
    if name := format_name(head):
        raise InvalidRequest(
            f"standard input is {name}, which is compressed or has a header: give the file by its name, or samples as "
            "`ffmpeg -i FILE -f s16le -ac 1 -ar 16000 -` writes them"
        )
    return Recording(sample_rate, channels, _raw_pieces(stream, head))


def in_real_time(pieces: Iterable[AudioPiece]) -> Iterator[AudioPiece]:
    """Pieces of 0.1 s, each when its sound would have been over."""
    start_s = time.monotonic()
    for number, piece in enumerate(pieces, 1):
        time.sleep(max(0.0, start_s + number * PIECE_S - time.monotonic()))
        yield piece


@contextmanager
def _naming(source: Path | str) -> Iterator[None]:
    try:
        yield
    except BadMedia as error:
        raise InvalidRequest(f"{source} {error}") from error


def _file_pieces(recording: Recording, path: Path, first: Block, blocks: Blocks) -> Iterator[AudioPiece]:
    with _naming(path):
        rate_hz, channels = recording.sample_rate, recording.channels
        kept = np.zeros((0, channels), np.float32)
        size = round(rate_hz * PIECE_S)
        for block in uniform(chain([first], blocks), rate_hz, channels):
            recording.damage_s += block.missing_s
            kept = np.concatenate([kept, block.samples])
            while len(kept) >= size:
                yield kept[:size]
                kept = kept[size:]
        yield kept


def _raw_pieces(stream: BufferedIOBase, head: bytes) -> Iterator[AudioPiece]:
    """Whatever has arrived."""
    yield head
    while piece := stream.read1(READ_BYTES):
        yield piece


def _wav_pieces(stream: BufferedIOBase, header: WavHeader) -> Iterator[AudioPiece]:
    """Whatever has arrived of the samples, in whole frames; 16-bit ones as they are."""
    form, left, kept = header.form, header.told_bytes, b""
    while piece := stream.read1(READ_BYTES if left is None else min(left, READ_BYTES)):
        left = None if left is None else left - len(piece)
        whole = len(kept + piece) // form.frame_bytes * form.frame_bytes
        samples, kept = (kept + piece)[:whole], (kept + piece)[whole:]
        yield samples if (form.tag, form.bits) == PCM16 else form.samples(samples)
