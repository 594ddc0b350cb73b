"""Bytes in memory as a file, without a copy of them."""

import io
from typing import Any


class MemoryFile(io.RawIOBase):
    """Reads `data`. To seek before the beginning, as damaged headers ask for, changes nothing."""

    def __init__(self, data: memoryview) -> None:
        super().__init__()
        self._data = data
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        begin = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: len(self._data)}[whence]
        if begin + offset >= 0:
            self._position = begin + offset
        return self._position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: Any) -> int:
        read = self._data[self._position : self._position + len(buffer)]
        buffer[: len(read)] = read
        self._position += len(read)
        return len(read)
