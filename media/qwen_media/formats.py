"""The formats of sound that are read. What is none of them is opened by nobody.

FFmpeg alone knows some three hundred formats, among them lists of other files and addresses, and libsndfile two dozen.
A file is read as what its first bytes say it is, or not at all.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from qwen_media import amr, flac, matroska, mp4, ogg
from qwen_media.adts import Adts
from qwen_media.block import Block, Blocks, silence
from qwen_media.container import container_blocks
from qwen_media.errors import BadMedia
from qwen_media.framed_sound import framed_blocks
from qwen_media.framing import Framing, find_frames
from qwen_media.limits import SoundLimits
from qwen_media.mp3 import Mp3
from qwen_media.tags import behind_tags, tag_bytes
from qwen_media.wav import is_wav, wav_blocks

MAGIC_BYTES = 16
Read = Callable[[memoryview, SoundLimits], Blocks]


@dataclass(frozen=True)
class Format:
    """`name`: as people say it; `is_it`: tells it by a file's first bytes."""

    name: str
    is_it: Callable[[bytes], bool]
    read: Read


def read_sound(data: memoryview, limits: SoundLimits) -> Blocks:
    """The sound of a file, to its end, in time, within the limits; what is damaged is told by the blocks.

    Raises:
        BadMedia: empty, none of the formats, beyond a limit, damaged all through, or of sizes that no memory has.
    """
    if not data:
        raise BadMedia(f"is empty; send a {ALLOWED} file")
    has_sound = False
    try:
        for block in limits.watch(_reader(data)(data, limits)):
            has_sound = True
            yield block
    except MemoryError as error:  # FFmpeg believes the sizes that a damaged file tells
        raise BadMedia("needs too much memory to decode") from error
    if not has_sound:
        raise BadMedia("has no samples that can be decoded")


def format_name(start: bytes) -> str | None:
    """What a file is, by its beginning; None: none of the formats."""
    known = next((known.name for known in FORMATS if known.is_it(start)), None)
    if known is None and tag_bytes(memoryview(start), 0):
        return "MP3"
    return known or next((name for name, _ in _framings(memoryview(start), 0)), None)


def _reader(data: memoryview) -> Read:
    start = bytes(data[:MAGIC_BYTES])
    for known in FORMATS:
        if known.is_it(start):
            return known.read
    at = behind_tags(data)
    if bytes(data[at : at + len(flac.MAGIC)]) == flac.MAGIC:
        return lambda data, limits: flac.flac_blocks(data, at, limits)
    found = [found for _, found in _framings(data, at)]
    if not found:
        raise BadMedia(f"cannot be read as audio; send a {ALLOWED} file")
    first, framing = min(found, key=lambda one: one[0])
    return lambda data, _: framed_blocks(data, framing, first)


def _framings(data: memoryview, at: int) -> Iterator[tuple[str, tuple[int, Framing]]]:
    """Of what kinds there are frames, and where, not far behind `at`."""
    framings: dict[str, Framing] = {"MP3": Mp3(), "AAC": Adts()}
    for name, framing in framings.items():
        if (first := find_frames(data, framing, at)) is not None:
            yield name, (first, framing)


def _ogg(data: memoryview, limits: SoundLimits) -> Blocks:
    last: Block | None = None
    for link in ogg.links(data):
        try:
            for block in _link_blocks(link, limits):
                last = block
                yield block
        except BadMedia:
            if last is None:  # of one among others that begins with damage, no more is known than how long it is
                raise
            yield from silence(link.num_samples, last.num_channels, last.rate_hz, is_missing=True)
        if last is not None and link.num_missing:
            yield _missing(last, link.num_missing)


def _link_blocks(link: ogg.Link, limits: SoundLimits) -> Blocks:
    return flac.flac_blocks(link.data, 0, limits) if link.is_flac else container_blocks(link.data, "ogg", limits)


def _missing(last: Block, num_samples: int) -> Block:
    return Block(np.zeros((0, last.num_channels), np.float32), last.rate_hz, num_samples / last.rate_hz)


def _matroska(data: memoryview, limits: SoundLimits) -> Blocks:
    for number, part in enumerate(matroska.parts(data)):
        yield from container_blocks(
            part.data, "matroska", limits, is_first=not number, num_mended=part.num_mended, is_cut=part.is_cut
        )


def _mp4(data: memoryview, limits: SoundLimits) -> Blocks:
    for number, part in enumerate(mp4.parts(data)):
        yield from container_blocks(part.data, "mov", limits, is_first=not number, is_cut=part.is_cut)


def _container(name: str) -> Read:
    return lambda data, limits: container_blocks(data, name, limits, is_cut=True)


def _framed(framing: Framing) -> Read:
    return lambda data, _: framed_blocks(data, framing)


FORMATS = (
    Format("WAV", is_wav, wav_blocks),
    Format("FLAC", lambda start: start[:4] == flac.MAGIC, lambda data, limits: flac.flac_blocks(data, 0, limits)),
    Format("Ogg (Opus, Vorbis, FLAC)", lambda start: start[:4] == ogg.MAGIC, _ogg),
    Format("M4A, MP4, MOV, 3GP", mp4.is_mp4, _mp4),
    Format("WebM, Matroska", matroska.is_matroska, _matroska),
    Format("AMR", lambda start: start.startswith(amr.NARROW_MAGIC), _framed(amr.NARROW)),
    Format("AMR-WB", lambda start: start.startswith(amr.WIDE_MAGIC), _framed(amr.WIDE)),
    Format("AIFF", lambda start: start[:4] == b"FORM" and start[8:12] in (b"AIFF", b"AIFC"), _container("aiff")),
    Format("CAF", lambda start: start[:4] == b"caff", _container("caf")),
    Format("AU", lambda start: start[:4] == b".snd", _container("au")),
)
ALLOWED = ", ".join((*(known.name for known in FORMATS), "MP3")) + " or AAC"
