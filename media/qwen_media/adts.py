"""AAC in ADTS frames, as broadcasts and some recorders write it."""

import re

from qwen_media import tags
from qwen_media.framing import Frame, Trim

RATES_HZ = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)
HEADER_BYTES = 7
BLOCK_SAMPLES = 1024


class Adts:
    codec = "aac"
    rate_hz: int | None = None
    is_of_one_kind = True
    sync = re.compile(rb"\xff[\xf0\xf1\xf8\xf9]|" + tags.PATTERN, re.DOTALL)

    def frame(self, data: memoryview, at: int) -> Frame | None:
        if at + HEADER_BYTES > len(data) or data[at] != 0xFF or data[at + 1] & 0xF6 != 0xF0:
            return None
        head = data[at : at + HEADER_BYTES]
        rate = head[2] >> 2 & 0xF
        size = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
        if rate >= len(RATES_HZ) or size <= HEADER_BYTES:
            return None
        kind = (head[1], head[2] & 0xFD, head[3] >> 6)
        return Frame(at, size, BLOCK_SAMPLES * ((head[6] & 3) + 1), RATES_HZ[rate], kind)

    def tag_bytes(self, data: memoryview, at: int) -> int:
        return tags.tag_bytes(data, at)

    def trim(self, _data: memoryview, _frame: Frame) -> Trim | None:
        return None
