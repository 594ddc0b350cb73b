"""Audio files: what goes to the server, and what is saved of its answers."""

import base64
import io
import os
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from qwen_client.extras import audio_extra
from qwen_client.samples import check_rate, native_samples
from qwen_wire.errors import InvalidRequest

Samples: TypeAlias = npt.NDArray[np.float32]
AudioInput: TypeAlias = (
    str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO | tuple[npt.NDArray[Any], int]
)
"""A path, the bytes of a file, an open binary file, or (samples, rate in Hz).

Samples are [n], [1, n] or [n, channels], of floats (full scale is 1.0), int8, uint8 (centred on 128), int16 or int32.
"""

AudioFormat = Literal["wav", "flac", "ogg", "opus", "mp3"]
FORMATS = {".wav": "WAV", ".flac": "FLAC", ".ogg": "OGG", ".opus": "OGG", ".mp3": "MP3"}
SUBTYPES = {".opus": "OPUS"}
BLOCK_SAMPLES = 65_536
PCM16_SCALE = 32_768
WAV_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")
WAV_PCM, WAV_FLOAT = 1, 3
MAX_UINT32 = 0xFFFF_FFFF  # where a size does not fit, readers take all there is


def audio_bytes(audio: AudioInput) -> bytes:
    """The encoded file to send: files go as they are, arrays as WAV."""
    match audio:
        case bytes():
            return audio
        case str() | os.PathLike():
            return Path(audio).read_bytes()
        case (np.ndarray() as samples, int() | np.integer() | float() | np.floating() as rate_hz):
            return _wav(samples, rate_hz)
        case (_, np.ndarray()):
            raise InvalidRequest("audio is (…, array): give (array, rate_hz), in this order")
        case bytearray() | memoryview():
            return bytes(audio)
        case _ if hasattr(audio, "read"):
            return read_binary(audio, "audio")
    raise InvalidRequest(f"audio is {type(audio).__name__}: give a path, bytes, a binary file or (array, rate_hz)")


def read_binary(file: BinaryIO, name: str) -> bytes:
    """All that is left of an open file."""
    content = file.read()
    if not isinstance(content, bytes):
        raise InvalidRequest(f"{name} is a file that is open for text: open it with mode 'rb'")
    return content


def audio_suffix(path: str | os.PathLike[str]) -> str:
    """The suffix of `path`, which says the file's format."""
    suffix = Path(path).suffix.lower()
    if suffix not in FORMATS:
        raise InvalidRequest(f"{path} has no known audio suffix; known: {', '.join(FORMATS)}")
    return suffix


class AudioResult:
    """What every result has that is sound: `samples` from -1 to 1 and their `sample_rate` in Hz."""

    if TYPE_CHECKING:

        @property
        def samples(self) -> Samples: ...

        @property
        def sample_rate(self) -> int: ...

    @property
    def duration_s(self) -> float:
        return len(self.samples) / self.sample_rate

    def to_bytes(self, format: AudioFormat = "wav") -> bytes:
        """The content of an audio file; WAV has 16 bits."""
        if f".{format}" not in FORMATS:
            raise InvalidRequest(f"format is {format!r}; known: {', '.join(known[1:] for known in FORMATS)}")
        return encode_audio(self.samples, self.sample_rate, f".{format}")

    def save(self, file: str | os.PathLike[str] | BinaryIO, format: AudioFormat | None = None) -> None:
        """Write a file: to a path, whose suffix says the format (.wav, .flac, .ogg, .opus or .mp3) unless `format`
        does, or to an open binary file (WAV, unless `format` says otherwise)."""
        if isinstance(file, str | os.PathLike):
            Path(file).write_bytes(self.to_bytes(format or cast(AudioFormat, audio_suffix(file)[1:])))
        else:
            file.write(self.to_bytes(format or "wav"))

    def _repr_html_(self) -> str:
        source = base64.b64encode(self.to_bytes()).decode()
        return f'<audio controls src="data:audio/wav;base64,{source}"></audio>'


def encode_audio(samples: Samples, sample_rate: int, suffix: str) -> bytes:
    """A file of mono samples, 16-bit or lossy."""
    if suffix == ".wav":
        # Rounded down and cut at full scale, as libsndfile does for the other formats.
        pcm = np.clip(np.floor(samples * PCM16_SCALE), -PCM16_SCALE, PCM16_SCALE - 1)
        return wav_file(pcm.astype(np.int16)[:, None], sample_rate)
    with audio_extra(f"writes {suffix}"):
        import soundfile

    target = io.BytesIO()
    with soundfile.SoundFile(target, "w", sample_rate, 1, format=FORMATS[suffix], subtype=SUBTYPES.get(suffix)) as file:
        # By the block: libsndfile's Vorbis encoder overflows the stack on minutes of audio in one write.
        for start in range(0, len(samples), BLOCK_SAMPLES):
            file.write(samples[start : start + BLOCK_SAMPLES])
    return target.getvalue()


def wav_file(frames: npt.NDArray[Any], sample_rate: int) -> bytes:
    """WAV of `frames`, int16, int32 or float32 of shape [n, channels]."""
    data = frames.astype(frames.dtype.newbyteorder("<")).tobytes()
    size, frame = frames.dtype.itemsize, frames.dtype.itemsize * frames.shape[1]
    code = WAV_FLOAT if frames.dtype.kind == "f" else WAV_PCM
    form = (code, frames.shape[1], sample_rate, sample_rate * frame, frame, 8 * size)
    num_bytes = min(len(data), MAX_UINT32 - WAV_HEADER.size)
    return (
        WAV_HEADER.pack(b"RIFF", num_bytes + WAV_HEADER.size - 8, b"WAVE", b"fmt ", 16, *form, b"data", num_bytes)
        + data
    )


def _wav(samples: npt.NDArray[Any], rate_hz: float) -> bytes:
    check_rate(rate_hz)
    return wav_file(native_samples(samples), int(rate_hz))
