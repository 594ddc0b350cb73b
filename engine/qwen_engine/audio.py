"""Audio files in, audio samples out: any format that libsndfile or FFmpeg reads, mono float32 at a wished rate."""

import io
import struct
from collections.abc import Iterator

import av
import av.error
import numpy as np
import soundfile
import soxr

from qwen_engine.errors import InvalidRequest

FORMATS = "WAV, FLAC, OGG, MP3, M4A/AAC, WebM or Opus"
BLOCK_FRAMES = 1 << 16
# Writers that cannot seek back (pipes) leave sizes near 2 or 4 GiB in the header, or 0.
STREAMED_SIZE = 0x7FFF0000


def decode_audio(data: bytes, *, sample_rate_hz: int, max_s: float, name: str = "AUDIO") -> np.ndarray:
    """Decode an encoded audio file to mono float32 samples (n,), |x| about 1, at `sample_rate_hz`.

    Memory stays bounded by `max_s` whatever the file claims: the limit is enforced while decoding. Messages speak of
    the tensor `name`.

    Raises:
        InvalidRequest: empty, not audio, truncated, without samples, NaN or infinite samples, or longer than `max_s`.
    """
    try:
        return _decode(data, sample_rate_hz, max_s)
    except InvalidRequest as error:
        raise InvalidRequest(f"{name} {error}") from error


def _decode(data: bytes, sample_rate_hz: int, max_s: float) -> np.ndarray:
    if not data:
        raise InvalidRequest(f"is empty; send a {FORMATS} file")
    _refuse_truncated_wav(data)
    try:
        file = soundfile.SoundFile(io.BytesIO(data))
    except soundfile.LibsndfileError:
        return _collect(_av_blocks(data), sample_rate_hz, max_s)
    with file:
        return _collect(_soundfile_blocks(file), sample_rate_hz, max_s)


def pcm16(samples: np.ndarray) -> bytes:
    """Little-endian 16-bit PCM of float samples, 1.0 being 32768; what does not fit is clipped."""
    return np.clip((samples * 32768.0).round(), -32768, 32767).astype("<i2").tobytes()


def is_silent(samples: np.ndarray, *, sample_rate_hz: int, floor_dbfs: float = -60.0) -> bool:
    """True if no 30 ms of `samples` (n,) are louder than `floor_dbfs`, constant offset left out."""
    window = max(1, int(0.03 * sample_rate_hz))
    padded = np.pad(samples - samples.mean(), (0, -len(samples) % window))
    loudest = np.sqrt((padded.reshape(-1, window) ** 2).mean(axis=1).max())
    return bool(loudest < 10 ** (floor_dbfs / 20))


def _collect(blocks: Iterator[tuple[np.ndarray, int]], sample_rate_hz: int, max_s: float) -> np.ndarray:
    """Downmix, resample and join blocks of (frames, channels) with their rate."""
    parts: list[np.ndarray] = []
    resampler: soxr.ResampleStream | None = None
    frames = 0
    for block, rate_hz in blocks:
        if resampler is None:
            resampler = soxr.ResampleStream(rate_hz, sample_rate_hz, 1, dtype="float32")
        frames += len(block)
        if frames > max_s * rate_hz:
            raise InvalidRequest(f"is longer than the limit of {max_s:g} s")
        mono = block.mean(axis=1, dtype=np.float32)
        if not np.isfinite(mono).all():
            raise InvalidRequest("has NaN or infinite samples; send finite samples")
        parts.append(resampler.resample_chunk(mono))
    if resampler is None or frames == 0:
        raise InvalidRequest("has no samples")
    parts.append(resampler.resample_chunk(np.zeros(0, np.float32), last=True))
    return np.concatenate(parts)


def _soundfile_blocks(file: soundfile.SoundFile) -> Iterator[tuple[np.ndarray, int]]:
    try:
        while len(block := file.read(BLOCK_FRAMES, dtype="float32", always_2d=True)):
            yield block, file.samplerate
    except soundfile.LibsndfileError as error:
        raise InvalidRequest("is damaged: it cannot be decoded to its end") from error


def _av_blocks(data: bytes) -> Iterator[tuple[np.ndarray, int]]:
    try:
        with av.open(io.BytesIO(data), "r") as container:
            if not container.streams.audio:
                raise InvalidRequest("has no audio track")
            codec = container.streams.audio[0].codec_context
            if codec is None:
                raise InvalidRequest(f"is in a format that nothing here can decode; send a {FORMATS} file")
            rate_hz = codec.sample_rate
            to_float = av.AudioResampler(format="flt", layout="mono", rate=rate_hz)
            for frame in container.decode(audio=0):
                for part in to_float.resample(frame):
                    yield part.to_ndarray().reshape(-1, 1), rate_hz
    except av.error.FFmpegError as error:
        raise InvalidRequest(f"cannot be read as audio; send a {FORMATS} file") from error


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
