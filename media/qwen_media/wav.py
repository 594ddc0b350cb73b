"""WAV: header and samples, from memory or from a pipe.

The size that a header tells is often not that of the samples: writers that cannot seek back leave 0, or a number near 2
or 4 GB. Such sizes mean "to the end", and so does any other that goes beyond it.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from qwen_media.block import Block, Blocks, Samples, block_frames
from qwen_media.container import container_blocks
from qwen_media.errors import BadMedia
from qwen_media.framed_sound import framed_blocks
from qwen_media.limits import SoundLimits
from qwen_media.memory_file import MemoryFile
from qwen_media.mp3 import Mp3
from qwen_media.scanning import find

Read = Callable[[int], bytes | memoryview]
"""The next bytes: as many as asked for, fewer at the end only."""

MAGIC = (b"RIFF", b"RF64", b"BW64")
START_BYTES = 12
PCM, FLOAT, EXTENSIBLE, MP3 = 1, 3, 0xFFFE, 0x55
CODECS = {2: "MS ADPCM", 6: "A-law", 7: "µ-law", 0x11: "IMA ADPCM", 0x31: "GSM 6.10"}
CODEC_TAG_AT = 24  # of WAVE_FORMAT_EXTENSIBLE: the first two bytes of the GUID
MIN_FORMAT_BYTES, MAX_FORMAT_BYTES = 16, 4096
SKIPPED_BYTES = 1 << 16
# What a file of a true size can hardly have.
UNTRUE_BYTES = 1_900_000_000
UNTRUE_S = 12 * 3600.0
INT_SCALE = {8: 2.0**-7, 16: 2.0**-15, 24: 2.0**-31, 32: 2.0**-31}
DAMAGED = "has a damaged WAV header"


@dataclass(frozen=True)
class WavForm:
    """How the samples of a WAV file lie in it. `chunk` is the header's own description of them."""

    tag: int
    rate_hz: int
    num_channels: int
    bits: int
    frame_bytes: int
    bytes_per_s: int
    chunk: bytes

    @property
    def is_plain(self) -> bool:
        """Samples that need no codec."""
        return (self.tag, self.bits) in {(PCM, 8), (PCM, 16), (PCM, 24), (PCM, 32), (FLOAT, 32), (FLOAT, 64)}

    def samples(self, data: bytes | memoryview) -> Samples:
        """(frames, channels) of whole frames of a plain form."""
        if self.tag == FLOAT:
            with np.errstate(all="ignore"):  # what is no sample is found and told later
                plain = np.frombuffer(data, f"<f{self.bits // 8}").astype(np.float32)
        elif self.bits == 24:
            wide = np.zeros((len(data) // 3, 4), np.uint8)
            wide[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
            plain = wide.view("<i4")[:, 0].astype(np.float32) * np.float32(INT_SCALE[24])
        elif self.bits == 8:
            plain = (np.frombuffer(data, np.uint8).astype(np.float32) - 128) * np.float32(INT_SCALE[8])
        else:
            plain = np.frombuffer(data, f"<i{self.bits // 8}").astype(np.float32) * np.float32(INT_SCALE[self.bits])
        return plain.reshape(-1, self.num_channels)


@dataclass(frozen=True)
class WavHeader:
    """`data_bytes`: the size that is told of the samples behind the header."""

    form: WavForm
    data_bytes: int

    @property
    def told_bytes(self) -> int | None:
        """The size, where it can be true; None: to the end."""
        return self.data_bytes if self.data_bytes and self._can_be_true else None

    @property
    def _can_be_true(self) -> bool:
        return self.data_bytes < min(UNTRUE_BYTES, UNTRUE_S * self.form.bytes_per_s)

    def missing_s(self, num_bytes: int) -> float:
        """Seconds that the header promises beyond the `num_bytes` there are; 0 where the size cannot be true."""
        missing = self.data_bytes - num_bytes
        is_told = self._can_be_true and missing >= self.form.frame_bytes
        return missing / self.form.bytes_per_s if is_told else 0.0


def is_wav(start: bytes | memoryview) -> bool:
    return bytes(start[:4]) in MAGIC and bytes(start[8:12]) == b"WAVE"


def read_header(read: Read) -> WavHeader:
    """The header of a file whose first 12 bytes have been read; `read` then goes on with the samples.

    Raises:
        BadMedia: damaged, or of a form that no sound has.
    """
    form: WavForm | None = None
    long_bytes = 0
    while True:
        head = read(8)
        if len(head) < 8:
            raise BadMedia("is a WAV file without samples")
        name, num_bytes = struct.unpack("<4sI", head)
        if name == b"data":
            break
        if name == b"fmt ":
            form = _form(_exactly(read, num_bytes, MAX_FORMAT_BYTES))
        elif name == b"ds64":  # the sizes of a file of more than 4 GB
            long_bytes = struct.unpack_from("<Q", _exactly(read, num_bytes, SKIPPED_BYTES).ljust(16, b"\0"), 8)[0]
        else:
            _skip(read, num_bytes)
        _skip(read, num_bytes % 2)
    if form is None:
        raise BadMedia(f"{DAMAGED}: it does not say what its samples are")
    return WavHeader(form, long_bytes if num_bytes == 0xFFFFFFFF and long_bytes else num_bytes)


def _form(chunk: bytes) -> WavForm:
    if len(chunk) < MIN_FORMAT_BYTES:
        raise BadMedia(f"{DAMAGED}: it does not say what its samples are")
    tag, channels, rate_hz, bytes_per_s, frame_bytes, bits = struct.unpack_from("<HHIIHH", chunk)
    if tag == EXTENSIBLE and len(chunk) >= CODEC_TAG_AT + 2:
        tag = struct.unpack_from("<H", chunk, CODEC_TAG_AT)[0]
    if frame_bytes % max(1, channels) == 0 and tag in (PCM, EXTENSIBLE):
        bits = max(bits, frame_bytes * 8 // max(1, channels))  # 24 bits may lie in 32, 12 in 16: in the upper ones
    form = WavForm(tag, rate_hz, channels, bits, max(1, frame_bytes), bytes_per_s, chunk)
    if not form.is_plain:
        return form
    if not channels or frame_bytes != channels * bits // 8:
        raise BadMedia(f"{DAMAGED}: frames of {frame_bytes} bytes for {channels} channels of {bits} bits")
    return replace(form, bytes_per_s=rate_hz * frame_bytes)


def _exactly(read: Read, num_bytes: int, most: int) -> bytes:
    data = bytes(read(num_bytes)) if num_bytes <= most else b""
    if len(data) < num_bytes or num_bytes > most:
        raise BadMedia(DAMAGED)
    return data


def _skip(read: Read, num_bytes: int) -> None:
    while num_bytes > 0:
        skipped = len(read(min(num_bytes, SKIPPED_BYTES)))
        if not skipped:
            raise BadMedia("is a WAV file without samples")
        num_bytes -= skipped


def wav_blocks(data: memoryview, limits: SoundLimits) -> Blocks:
    """All samples of a file, and of those that were joined to it."""
    at = 0
    while is_wav(data[at : at + START_BYTES]):
        file = MemoryFile(data)
        file.seek(at + START_BYTES)
        header = read_header(file.read)
        at = file.tell()
        end = _end(data, at, header.data_bytes)
        yield from _blocks(header.form, data[at:end], limits)
        if missing_s := header.missing_s(end - at):
            yield Block(np.zeros((0, header.form.num_channels), np.float32), header.form.rate_hz, missing_s)
        at = end + (header.data_bytes % 2 if end == at + header.data_bytes else 0)


def _end(data: memoryview, at: int, told_bytes: int) -> int:
    """Where the samples from `at` on end: where the header says, or else where the file does."""
    if 0 < told_bytes <= len(data) - at or (told_bytes == 0 and _holds_chunks(data[at:])):
        return at + told_bytes
    following = find(data, b"WAVEfmt ", at)
    joined = following is not None and is_wav(data[following - 8 : following + 4])
    return following - 8 if following is not None and joined else len(data)


def _holds_chunks(data: memoryview) -> bool:
    """Whether chunks follow each other to the end: then there are no samples."""
    at = 0
    while at + 8 <= len(data) and bytes(data[at : at + 4]).isalnum():
        at += 8 + struct.unpack_from("<I", data, at + 4)[0]
        at += at % 2
    return 0 <= at - len(data) <= 1


def _blocks(form: WavForm, data: memoryview, limits: SoundLimits) -> Blocks:
    if form.is_plain:
        limits.check_form(form.rate_hz, form.num_channels, len(data) // form.frame_bytes)
        return _plain_blocks(form, data)
    limits.check_form(form.rate_hz, form.num_channels)
    if form.tag == MP3:
        return framed_blocks(data, Mp3())
    if form.tag not in CODECS:
        allowed = ", ".join(("plain samples", "MP3", *CODECS.values()))
        raise BadMedia(f"is a WAV file of a codec that is not read here (0x{form.tag:04X}); allowed: {allowed}")
    size = 20 + len(form.chunk) + len(data)
    head = struct.pack("<4sI8sI", b"RIFF", size, b"WAVEfmt ", len(form.chunk)) + form.chunk
    whole = b"".join([head, struct.pack("<4sI", b"data", len(data)), data])
    return container_blocks(memoryview(whole), "wav", limits)


def _plain_blocks(form: WavForm, data: memoryview) -> Blocks:
    """A last frame that is not whole is left out."""
    step = block_frames(form.num_channels) * form.frame_bytes
    end = len(data) - len(data) % form.frame_bytes
    for start in range(0, end, step):
        yield Block(form.samples(data[start : min(start + step, end)]), form.rate_hz)
