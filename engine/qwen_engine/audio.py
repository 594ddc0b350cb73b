"""Audio files or raw samples in, mono float32 at a wished rate out: any format that libsndfile or FFmpeg reads.

Channels are averaged. Where that would cancel speech (one channel being the other upside down, as a wrong cable makes
it), the loudest channel is taken instead.
"""

import io
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import av
import av.error
import numpy as np
import soundfile
import soxr

from qwen_engine.errors import InvalidRequest

FORMATS = "WAV, FLAC, OGG, MP3, M4A/AAC, WebM or Opus"
BLOCK_SAMPLES = 1 << 16  # of all channels together
# Writers that cannot seek back (pipes) leave sizes near 2 or 4 GiB in the header, or 0.
STREAMED_SIZE = 0x7FFF0000
SAMPLE_TYPES: dict[str, np.dtype[Any]] = {"pcm_s16le": np.dtype("<i2"), "pcm_f32le": np.dtype("<f4")}
# Unrelated channels (or one among silent ones) leave 1/channels of their power in the average.
CANCELLED_SHARE = 0.25

Blocks = Iterator[tuple[np.ndarray, int]]  # samples (frames, channels) with their rate


def decode_audio(data: bytes, *, sample_rate_hz: int, max_s: float, name: str = "AUDIO") -> np.ndarray:
    """Decode an encoded audio file to mono float32 samples (n,), |x| about 1, at `sample_rate_hz`.

    Memory stays bounded by `max_s` whatever the file claims: the limit is enforced while decoding. Messages speak of
    the tensor `name`.

    Raises:
        InvalidRequest: empty, not audio, truncated, without samples, NaN or infinite samples, or longer than `max_s`.
    """
    with _named(name):
        if not data:
            raise InvalidRequest(f"is empty; send a {FORMATS} file")
        _refuse_truncated_wav(data)
        return _mono(lambda: _file_blocks(data), sample_rate_hz, max_s)


def decode_pcm(
    data: bytes,
    *,
    audio_format: str,
    source_rate_hz: int,
    num_channels: int,
    sample_rate_hz: int,
    max_s: float,
    name: str = "AUDIO",
) -> np.ndarray:
    """`decode_audio` for raw interleaved samples: `audio_format` "pcm_s16le" or "pcm_f32le" at `source_rate_hz`."""
    with _named(name):
        frames = pcm_frames(data, audio_format, num_channels)
        return _mono(lambda: _array_blocks(frames, source_rate_hz), sample_rate_hz, max_s)


def pcm_frames(data: bytes, audio_format: str, num_channels: int) -> np.ndarray:
    """Raw interleaved samples as (frames, channels) of their own type, a view of `data`.

    Raises:
        InvalidRequest: not a whole number of frames.
    """
    sample_type = SAMPLE_TYPES[audio_format]
    frame_bytes = sample_type.itemsize * num_channels
    if len(data) % frame_bytes:
        raise InvalidRequest(
            f"has {len(data)} bytes, not a whole number of frames of {frame_bytes} bytes "
            f"({audio_format}, {num_channels} channels)"
        )
    return np.frombuffer(data, sample_type).reshape(-1, num_channels)


def pcm16(samples: np.ndarray) -> bytes:
    """Little-endian 16-bit PCM of float samples, 1.0 being 32768; what does not fit is clipped."""
    return np.clip((samples * 32768.0).round(), -32768, 32767).astype("<i2").tobytes()


def is_silent(samples: np.ndarray, *, sample_rate_hz: int, floor_dbfs: float = -60.0) -> bool:
    """True if no 30 ms of `samples` (n,) are louder than `floor_dbfs`, constant offset left out."""
    window = max(1, int(0.03 * sample_rate_hz))
    padded = np.pad(samples - samples.mean(), (0, -len(samples) % window))
    loudest = np.sqrt((padded.reshape(-1, window) ** 2).mean(axis=1).max())
    return bool(loudest < 10 ** (floor_dbfs / 20))


@contextmanager
def _named(name: str) -> Iterator[None]:
    try:
        yield
    except InvalidRequest as error:
        raise InvalidRequest(f"{name} {error}") from error


def _mono(read: Callable[[], Blocks], sample_rate_hz: int, max_s: float) -> np.ndarray:
    """The average of the channels, or the loudest one where the average is next to nothing: `read` then begins anew."""
    mixed_power = 0.0
    powers = np.zeros(1)

    def mix(block: np.ndarray) -> np.ndarray:
        nonlocal mixed_power, powers
        if block.shape[1] == 1:
            return block[:, 0]
        mono = block.mean(axis=1, dtype=np.float64).astype(np.float32)
        mixed_power += float(np.square(mono, dtype=np.float64).sum())
        powers = powers + np.square(block, dtype=np.float64).sum(axis=0)
        return mono

    samples = _collect(read(), mix, sample_rate_hz, max_s)
    if mixed_power >= CANCELLED_SHARE / len(powers) * powers.mean():
        return samples
    loudest = int(powers.argmax())
    return _collect(read(), lambda block: block[:, loudest], sample_rate_hz, max_s)


def _collect(
    blocks: Blocks, to_mono: Callable[[np.ndarray], np.ndarray], sample_rate_hz: int, max_s: float
) -> np.ndarray:
    """Downmix, resample and join blocks."""
    joined = bytearray()  # grows in place: no second copy of hours of sound
    resampler: soxr.ResampleStream | None = None
    frames = 0
    for block, rate_hz in blocks:
        if resampler is None and rate_hz != sample_rate_hz:
            resampler = soxr.ResampleStream(rate_hz, sample_rate_hz, 1, dtype="float32")
        frames += len(block)
        if frames > max_s * rate_hz:
            raise InvalidRequest(f"is longer than the limit of {max_s:g} s")
        if not np.isfinite(block).all():
            raise InvalidRequest("has NaN or infinite samples; send finite samples")
        mono = to_mono(block)
        joined += (mono if resampler is None else resampler.resample_chunk(mono)).tobytes()
    if resampler is not None:
        joined += resampler.resample_chunk(np.zeros(0, np.float32), last=True).tobytes()
    if not joined:
        raise InvalidRequest("has no samples")
    return np.frombuffer(joined, np.float32)


class _Bytes(io.BytesIO):
    """For libsndfile, which follows a damaged header also to before the beginning."""

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        try:
            return super().seek(offset, whence)
        except ValueError:
            return self.tell()


def _file_blocks(data: bytes) -> Blocks:
    try:
        file = soundfile.SoundFile(_Bytes(data))
    except soundfile.LibsndfileError:
        yield from _av_blocks(data)
        return
    with file:
        yield from _soundfile_blocks(file)


def _soundfile_blocks(file: soundfile.SoundFile) -> Blocks:
    try:
        while len(block := file.read(_block_frames(file.channels), dtype="float32", always_2d=True)):
            yield block, file.samplerate
    except soundfile.LibsndfileError as error:
        raise InvalidRequest("is damaged: it cannot be decoded to its end") from error


def _av_blocks(data: bytes) -> Blocks:
    try:
        with av.open(io.BytesIO(data), "r", metadata_errors="replace") as container:
            if not container.streams.audio:
                raise InvalidRequest("has no audio track")
            codec = container.streams.audio[0].codec_context
            if codec is None:
                raise InvalidRequest(f"is in a format that nothing here can decode; send a {FORMATS} file")
            rate_hz, layout = codec.sample_rate, codec.layout
            to_float = av.AudioResampler(format="flt", layout=layout, rate=rate_hz)
            for frame in container.decode(audio=0):
                for part in _converted(frame, to_float):
                    yield part.to_ndarray().reshape(-1, layout.nb_channels), rate_hz
    except av.error.FFmpegError as error:
        raise InvalidRequest(f"cannot be read as audio; send a {FORMATS} file") from error


def _converted(frame: av.AudioFrame, to_float: av.AudioResampler) -> list[av.AudioFrame]:
    try:
        return to_float.resample(frame)
    except ValueError as error:
        raise InvalidRequest("changes its sample rate or number of channels on the way") from error


def _array_blocks(frames: np.ndarray, rate_hz: int) -> Blocks:
    """Raw samples as float32, full scale being 1."""
    scale = np.float32(2**-15 if frames.dtype.kind == "i" else 1.0)
    step = _block_frames(frames.shape[1])
    for start in range(0, len(frames), step):
        yield frames[start : start + step].astype(np.float32) * scale, rate_hz


def _block_frames(num_channels: int) -> int:
    return max(1, BLOCK_SAMPLES // num_channels)


def _refuse_truncated_wav(data: bytes) -> None:
    """libsndfile reads a cut WAV without complaint; speech would be lost silently."""
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        return
    offset = 12
    while offset + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, offset)
        offset += 8
        if name == b"data":
            if size < STREAMED_SIZE and size > len(data) - offset:
                raise InvalidRequest(f"is a truncated WAV: {size} bytes promised, {len(data) - offset} there")
            return
        offset += size + size % 2
    raise InvalidRequest("is a truncated WAV: its data chunk is missing")
