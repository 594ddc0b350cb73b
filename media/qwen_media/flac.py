"""FLAC: each frame says where in the sound it belongs, and has a checksum. How long the whole is need not be told."""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from qwen_media.block import Block, Blocks, joined, silence
from qwen_media.codec import Decoder
from qwen_media.errors import BadMedia
from qwen_media.limits import SoundLimits
from qwen_media.scanning import find, matches

MAGIC = b"fLaC"
STREAMINFO_BYTES = 34
STREAMINFO_END = 8 + STREAMINFO_BYTES
MAX_HEADER_BYTES = 16
MIN_FRAME_BYTES = 9
MAX_START_S = 60.0  # a first frame behind that says that the file was cut out of a longer one
SYNC = re.compile(rb"\xff[\xf8\xf9]")
STREAMINFO_HEADS = {bytes([last, 0, 0, STREAMINFO_BYTES]) for last in (0, 0x80)}  # it may be the only block
BLOCK_SIZES = {1: 192, **{code: 144 << code for code in range(2, 6)}, **{code: 1 << code for code in range(8, 16)}}
BLOCK_SIZE_8_BITS, BLOCK_SIZE_16_BITS = 6, 7
RATE_BYTES = {12: 1, 13: 2, 14: 2}
CRC8_POLYNOMIAL = 0x07


def _crc8_table() -> bytes:
    table = bytearray()
    for value in range(256):
        for _ in range(8):
            value = (value << 1 ^ (CRC8_POLYNOMIAL if value & 0x80 else 0)) & 0xFF
        table.append(value)
    return bytes(table)


CRC8 = _crc8_table()


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """What a stream says of itself; `num_samples` 0: not told."""

    max_block: int
    rate_hz: int
    num_channels: int
    num_samples: int
    chunk: bytes

    @classmethod
    def read(cls, data: memoryview, at: int) -> "StreamInfo":
        """Of a stream whose magic is there. Raises `BadMedia` where it has none."""
        chunk = bytes(data[at + 8 : at + STREAMINFO_END])
        if len(chunk) < STREAMINFO_BYTES or data[at + 4] & 0x7F != 0:
            raise BadMedia("is a damaged FLAC file: its beginning does not say what is in it")
        packed = int.from_bytes(chunk[10:18], "big")
        return cls(
            max_block=struct.unpack_from(">H", chunk, 2)[0],
            rate_hz=packed >> 44,
            num_channels=(packed >> 41 & 7) + 1,
            num_samples=packed & (1 << 36) - 1,
            chunk=chunk,
        )


@dataclass(frozen=True, slots=True)
class Frame:
    """`position`: of its first sample in the stream; `kind`: what is the same in all frames of a stream."""

    start: int
    position: int
    num_samples: int
    kind: tuple[int, int, int]


def flac_blocks(data: memoryview, at: int, limits: SoundLimits) -> Blocks:
    """All sound of a file whose magic is at `at`, and of those that were joined to it."""
    return joined(_streams(data, at, limits))


def _streams(data: memoryview, at: int, limits: SoundLimits) -> Blocks:
    start: int | None = at
    while start is not None:
        info = StreamInfo.read(data, start)
        limits.check_form(info.rate_hz, info.num_channels, info.num_samples)
        end = _next_stream(data, start + STREAMINFO_END)
        stream = data[: len(data) if end is None else end]
        yield from _stream(stream, _sound_start(stream, start), info)
        start = end


def _sound_start(data: memoryview, at: int) -> int:
    """Where the blocks behind the magic end, titles and pictures among them."""
    block, is_last = at + len(MAGIC), False
    while not is_last and block + 4 <= len(data):
        is_last = bool(data[block] & 0x80)
        block += 4 + int.from_bytes(data[block + 1 : block + 4], "big")
    return block if block < len(data) else at + STREAMINFO_END


def _next_stream(data: memoryview, at: int) -> int | None:
    """Where the next file begins that was joined to this one."""
    while (at_magic := find(data, MAGIC, at)) is not None:
        if bytes(data[at_magic + 4 : at_magic + 8]) in STREAMINFO_HEADS:
            return at_magic
        at = at_magic + 1
    return None


def _stream(data: memoryview, at: int, info: StreamInfo) -> Blocks:
    decoder = Decoder("flac", extradata=info.chunk)
    position: int | None = None
    for frame, end in _with_ends(_frames(data, at, info), len(data)):
        if position is None:
            position = 0 if frame.position <= MAX_START_S * info.rate_hz else frame.position
        yield from _lost(max(0, frame.position - position), info)
        found = decoder.decode(data[frame.start : end])
        for samples, rate_hz in found or ():
            yield Block(samples, rate_hz)
        position = frame.position + sum(len(samples) for samples, _ in found or ())
    missing = info.num_samples - (position or 0)
    if missing > info.max_block:
        yield Block(np.zeros((0, info.num_channels), np.float32), info.rate_hz, missing / info.rate_hz)


def _lost(num_samples: int, info: StreamInfo) -> Blocks:
    return silence(num_samples, info.num_channels, info.rate_hz, is_missing=True)


def _with_ends(frames: Iterator[Frame], end: int) -> Iterator[tuple[Frame, int]]:
    """Each frame, and where the next one begins."""
    before: Frame | None = None
    for frame in frames:
        if before is not None:
            yield before, frame.start
        before = frame
    if before is not None:
        yield before, end


def _frames(data: memoryview, at: int, info: StreamInfo) -> Iterator[Frame]:
    """The frames whose headers are whole, and which follow each other."""
    before: Frame | None = None
    for found in matches(data, SYNC, at):
        frame = _frame(data, found, info)
        if frame is not None and _follows(frame, before, info):
            yield frame
            before = frame


def _follows(frame: Frame, before: Frame | None, info: StreamInfo) -> bool:
    """Whether it comes later, and by no more than the frames that may lie between them."""
    if before is None:
        return True
    if frame.kind != before.kind:
        return False
    most = (1 + (frame.start - before.start) // MIN_FRAME_BYTES) * max(info.max_block, before.num_samples)
    return before.position < frame.position <= before.position + most


def _frame(data: memoryview, at: int, info: StreamInfo) -> Frame | None:
    """The frame whose header is there; None: it is none, or damaged."""
    head = bytes(data[at : at + MAX_HEADER_BYTES])
    if len(head) < MIN_FRAME_BYTES or head[1] & 0xFE != 0xF8 or head[3] & 1:
        return None
    has_any_size, size_code, rate_code = head[1] & 1, head[2] >> 4, head[2] & 0xF
    if size_code == 0 or rate_code == 15:
        return None
    number, end = _number(head, 4)
    if size_code in (BLOCK_SIZE_8_BITS, BLOCK_SIZE_16_BITS):
        num_bytes = size_code - BLOCK_SIZE_8_BITS + 1
        num_samples, end = int.from_bytes(head[end : end + num_bytes], "big") + 1, end + num_bytes
    else:
        num_samples = BLOCK_SIZES[size_code]
    end += RATE_BYTES.get(rate_code, 0)
    if number is None or end >= len(head) or _crc8(head[:end]) != head[end]:
        return None
    position = number if has_any_size else number * info.max_block
    return Frame(at, position, num_samples, (head[1], rate_code, head[3] & 0xE))


def _number(head: bytes, at: int) -> tuple[int | None, int]:
    """A number coded as UTF-8 codes characters, and where it ends."""
    first = head[at]
    if first < 0x80:
        return first, at + 1
    num_bytes = 8 - (first ^ 0xFF).bit_length()
    following = head[at + 1 : at + num_bytes]
    if not 2 <= num_bytes <= 7 or any(byte & 0xC0 != 0x80 for byte in following):
        return None, at + 1
    number = first & (0x7F >> num_bytes)
    for byte in following:
        number = number << 6 | byte & 0x3F
    return number, at + num_bytes


def _crc8(data: bytes) -> int:
    crc = 0
    for byte in data:
        crc = CRC8[crc ^ byte]
    return crc
