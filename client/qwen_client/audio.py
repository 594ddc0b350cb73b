"""Audio files: what goes to the server, and what is saved of its answers."""

import io
import os
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import numpy as np
import numpy.typing as npt
import soundfile

from qwen_client.errors import InvalidRequest

Samples: TypeAlias = npt.NDArray[np.float32]
AudioInput: TypeAlias = str | os.PathLike[str] | bytes | BinaryIO | tuple[npt.NDArray[Any], int]
"""A path, the bytes of a file, an open binary file, or (samples, rate in Hz); samples: [n] or [n, channels]."""

WAV_SUBTYPES = {"float32": "FLOAT", "float64": "FLOAT", "int16": "PCM_16", "int32": "PCM_32"}
FORMATS = {".wav": "WAV", ".flac": "FLAC", ".ogg": "OGG", ".opus": "OGG", ".mp3": "MP3"}
SUBTYPES = {".opus": "OPUS"}
BLOCK_SAMPLES = 65_536


def audio_bytes(audio: AudioInput) -> bytes:
    """The encoded file to send: files go as they are, arrays as WAV."""
    match audio:
        case bytes():
            return audio
        case str() | os.PathLike():
            return Path(audio).read_bytes()
        case (np.ndarray() as samples, int() | np.integer() as rate_hz):
            return _wav(samples, int(rate_hz))
        case _ if hasattr(audio, "read"):
            return audio.read()
    raise TypeError(f"audio is {type(audio).__name__}: give a path, bytes, a binary file or (array, rate_hz)")


def audio_suffix(path: str | os.PathLike[str]) -> str:
    """The suffix of `path`, which says the file's format."""
    suffix = Path(path).suffix.lower()
    if suffix not in FORMATS:
        raise InvalidRequest(f"{path} has no known audio suffix; known: {', '.join(FORMATS)}")
    return suffix


def encode_audio(samples: Samples, sample_rate: int, suffix: str) -> bytes:
    """A file of mono samples, 16-bit or lossy."""
    target = io.BytesIO()
    with soundfile.SoundFile(target, "w", sample_rate, 1, format=FORMATS[suffix], subtype=SUBTYPES.get(suffix)) as file:
        # By the block: libsndfile's Vorbis encoder overflows the stack on minutes of audio in one write.
        for start in range(0, len(samples), BLOCK_SAMPLES):
            file.write(samples[start : start + BLOCK_SAMPLES])
    return target.getvalue()


def _wav(samples: npt.NDArray[Any], rate_hz: int) -> bytes:
    if samples.dtype.name not in WAV_SUBTYPES or samples.ndim not in (1, 2):
        raise InvalidRequest(
            f"audio is {samples.dtype} of shape {list(samples.shape)}; "
            f"allowed: {', '.join(WAV_SUBTYPES)} of shape [samples] or [samples, channels]"
        )
    file = io.BytesIO()
    soundfile.write(file, samples, rate_hz, format="WAV", subtype=WAV_SUBTYPES[samples.dtype.name])
    return file.getvalue()
