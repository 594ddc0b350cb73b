"""Speech as bytes of a sound file, as it comes: no format needs to know how long it will be."""

import asyncio
import struct
from collections.abc import AsyncGenerator, AsyncIterable
from typing import Any, Literal, Protocol, TypeAlias

import av
import numpy as np
import numpy.typing as npt

SoundFormat = Literal["wav", "mp3", "opus", "aac", "flac", "pcm"]
Samples: TypeAlias = npt.NDArray[np.float32]

MEDIA_TYPES: dict[str, str] = {
    "wav": "audio/wav",
    "mp3": "audio/mpeg",
    "opus": "audio/ogg",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "pcm": "audio/pcm",
}
# Container and codec of each, by FFmpeg's names.
CODECS: dict[str, tuple[str, str]] = {
    "mp3": ("mp3", "libmp3lame"),
    "opus": ("ogg", "libopus"),
    "aac": ("adts", "aac"),
    "flac": ("flac", "flac"),
}
REPEATABLE = {"fflags": "+bitexact"}  # no random number and no version in a file
OPUS_RATE_HZ = 48_000
BIT_RATE = 128_000
PCM16_SCALE = 32_768
UNKNOWN_SIZE = 0xFFFF_FFFF  # of a file that is still being written
WAV_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")


class SoundEncoder(Protocol):
    """Makes the bytes of a file of mono samples, -1 to 1, piece by piece."""

    def encode(self, samples: Samples) -> bytes: ...

    def finish(self) -> bytes: ...


class PcmEncoder:
    """Little-endian 16-bit samples, with a WAV header in front where asked for."""

    def __init__(self, sample_rate_hz: int, *, with_header: bool) -> None:
        self._header = _wav_header(sample_rate_hz) if with_header else b""

    def encode(self, samples: Samples) -> bytes:
        header, self._header = self._header, b""
        return header + pcm16(samples).tobytes()

    def finish(self) -> bytes:
        header, self._header = self._header, b""
        return header


class CodecEncoder:
    """Any format of FFmpeg that can be written without going back."""

    def __init__(self, sound_format: str, sample_rate_hz: int) -> None:
        container, codec = CODECS[sound_format]
        self._target = _Target()
        self._container = av.open(self._target, "w", format=container, options=REPEATABLE)
        rate_hz = OPUS_RATE_HZ if sound_format == "opus" else sample_rate_hz
        stream: Any = self._container.add_stream(codec, rate=rate_hz, layout="mono")
        if sound_format != "flac":
            stream.bit_rate = BIT_RATE
        self._stream = stream
        self._rate_hz = sample_rate_hz
        self._resampler = av.AudioResampler(format=stream.format, layout="mono", rate=rate_hz)
        self._num_samples = 0

    def encode(self, samples: Samples) -> bytes:
        frame = av.AudioFrame.from_ndarray(pcm16(samples)[None], format="s16", layout="mono")
        frame.sample_rate = self._rate_hz
        frame.pts = self._num_samples
        self._num_samples += len(samples)
        for resampled in self._resampler.resample(frame):
            self._container.mux(self._stream.encode(resampled))
        return self._target.taken()

    def finish(self) -> bytes:
        for resampled in self._resampler.resample(None):
            self._container.mux(self._stream.encode(resampled))
        self._container.mux(self._stream.encode(None))
        self._container.close()
        return self._target.taken()


class _Target:
    """A file that is written from its beginning to its end, and handed on meanwhile."""

    def __init__(self) -> None:
        self._written = bytearray()

    def write(self, data: bytes) -> int:
        self._written += data
        return len(data)

    def taken(self) -> bytes:
        """What was written since the last time."""
        data = bytes(self._written)
        self._written.clear()
        return data


def sound_encoder(sound_format: SoundFormat, sample_rate_hz: int) -> SoundEncoder:
    """An encoder for one file."""
    if sound_format in ("wav", "pcm"):
        return PcmEncoder(sample_rate_hz, with_header=sound_format == "wav")
    return CodecEncoder(sound_format, sample_rate_hz)


async def encoded(chunks: AsyncIterable[Any], sound_format: SoundFormat) -> AsyncGenerator[bytes, None]:
    """The bytes of a file of `chunks` (`AudioChunk`), each as soon as it is there. Encoded beside the event loop."""
    encoder: SoundEncoder | None = None
    async for chunk in chunks:
        if encoder is None:
            encoder = sound_encoder(sound_format, chunk.sample_rate)
        if data := await asyncio.to_thread(encoder.encode, chunk.samples):
            yield data
    if encoder is not None and (data := await asyncio.to_thread(encoder.finish)):
        yield data


def encode_whole(samples: Samples, sample_rate_hz: int, sound_format: SoundFormat) -> bytes:
    """The bytes of a whole file; WAV with its size."""
    encoder = sound_encoder(sound_format, sample_rate_hz)
    data = encoder.encode(samples) + encoder.finish()
    return _wav_header(sample_rate_hz, 2 * len(samples)) + data[WAV_HEADER.size :] if sound_format == "wav" else data


def pcm16(samples: Samples) -> npt.NDArray[np.int16]:
    """Rounded down and cut at full scale."""
    scaled = np.clip(np.floor(samples * PCM16_SCALE), -PCM16_SCALE, PCM16_SCALE - 1)
    pcm: npt.NDArray[np.int16] = scaled.astype("<i2")
    return pcm


def _wav_header(sample_rate_hz: int, num_bytes: int | None = None) -> bytes:
    size = UNKNOWN_SIZE if num_bytes is None else num_bytes
    total = UNKNOWN_SIZE if num_bytes is None else num_bytes + WAV_HEADER.size - 8
    form = (1, 1, sample_rate_hz, 2 * sample_rate_hz, 2, 16)
    return WAV_HEADER.pack(b"RIFF", total, b"WAVE", b"fmt ", 16, *form, b"data", size)
