"""AMR, narrow and wide band, as telephones record it: 20 ms a frame."""

import re

from qwen_media.framing import Frame, Trim

NARROW_MAGIC, WIDE_MAGIC = b"#!AMR\n", b"#!AMR-WB\n"
# Bytes of a frame with its header, by frame type; those of 1 and 6 bytes say that nothing is said.
NARROW_BYTES = {0: 13, 1: 14, 2: 16, 3: 18, 4: 20, 5: 21, 6: 27, 7: 32, 8: 6, 15: 1}
WIDE_BYTES = {0: 18, 1: 24, 2: 33, 3: 37, 4: 41, 5: 47, 6: 51, 7: 59, 8: 61, 9: 6, 14: 1, 15: 1}
MAX_SILENT_BYTES = 6
GOOD = 0x04
UNUSED = 0x83
FRAME_S = 0.02


class Amr:
    def __init__(self, codec: str, magic: bytes, rate_hz: int, sizes: dict[int, int]) -> None:
        self.codec = codec
        self.rate_hz: int | None = rate_hz
        self._magic = magic
        self.is_of_one_kind = False
        self._sizes = sizes
        headers = bytes(frame_type << 3 | GOOD for frame_type in sizes)
        self.sync = re.compile(b"[" + re.escape(headers) + b"]|" + re.escape(magic), re.DOTALL)

    def frame(self, data: memoryview, at: int) -> Frame | None:
        if at >= len(data):
            return None
        head = data[at]
        size = self._sizes.get(head >> 3)
        if head & UNUSED or size is None:
            return None
        assert self.rate_hz is not None
        num_samples = round(FRAME_S * self.rate_hz)
        is_silent = size <= MAX_SILENT_BYTES
        return Frame(at, size, num_samples, self.rate_hz, head >> 3, is_silent, is_bad=not head & GOOD)

    def tag_bytes(self, data: memoryview, at: int) -> int:
        """Of the magic that begins a file, and each one that was joined to it."""
        return len(self._magic) if bytes(data[at : at + len(self._magic)]) == self._magic else 0

    def trim(self, _data: memoryview, _frame: Frame) -> Trim | None:
        return None


NARROW = Amr("amrnb", NARROW_MAGIC, 8000, NARROW_BYTES)
WIDE = Amr("amrwb", WIDE_MAGIC, 16000, WIDE_BYTES)
