"""Raw samples: 16-bit little-endian PCM, channels interleaved, in chunks of one size."""

from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from qwen_client.samples import native_samples

SAMPLE_BYTES = 2
SCALE = 32_768
AudioPiece: TypeAlias = bytes | bytearray | memoryview | npt.NDArray[Any]
"""16-bit little-endian PCM, or samples of shape [n, channels], or [n] or [1, n], as `AudioInput` takes them."""


def pcm16(piece: AudioPiece, channels: int) -> bytes:
    """The PCM of a piece; bytes are taken for PCM."""
    return _encoded(native_samples(piece, channels)) if isinstance(piece, np.ndarray) else bytes(piece)


def _encoded(samples: npt.NDArray[Any]) -> bytes:
    if samples.dtype.kind == "f":
        samples = np.clip(np.rint(samples * SCALE), -SCALE, SCALE - 1)
    elif samples.dtype == np.int32:
        samples = samples >> 16
    return samples.astype("<i2").tobytes()


class Reslicer:
    """Cuts what comes in pieces of any size into chunks of `num_bytes`."""

    def __init__(self, num_bytes: int) -> None:
        self._num_bytes = num_bytes
        self._kept = bytearray()

    def chunks(self, piece: bytes) -> Iterator[bytes]:
        """The chunks that are whole with this piece."""
        self._kept += piece
        while len(self._kept) >= self._num_bytes:
            chunk = bytes(self._kept[: self._num_bytes])
            del self._kept[: self._num_bytes]
            yield chunk

    def rest(self, frame_bytes: int) -> bytes:
        """What is left, less a last frame that is not whole."""
        return bytes(self._kept[: len(self._kept) // frame_bytes * frame_bytes])
