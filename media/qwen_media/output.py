"""Where a decoder puts what it has decoded."""

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt


class Output(Protocol):
    """Bytes that are written one after another."""

    def write(self, array: npt.NDArray[Any]) -> None: ...

    def clear(self) -> None:
        """Begin anew."""
        ...


class Buffer:
    """Memory of this process, which grows in place: no second copy of hours of sound."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def write(self, array: npt.NDArray[Any]) -> None:
        self._bytes += array.tobytes()

    def clear(self) -> None:
        self._bytes.clear()

    def array(self, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        """What was written; nothing can be written after it."""
        return np.frombuffer(self._bytes, dtype)


class SharedOutput:
    """Memory that another process reads. It has room for what the limits allow; more is a fault of ours."""

    def __init__(self, room: memoryview) -> None:
        self._room = np.frombuffer(room, np.uint8)
        self.num_bytes = 0

    def write(self, array: npt.NDArray[Any]) -> None:
        end = self.num_bytes + array.nbytes
        self._room[self.num_bytes : end] = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        self.num_bytes = end

    def clear(self) -> None:
        self.num_bytes = 0
