"""Patterns found in memory that is no bytes object. Nothing is copied but a window at a time."""

import re
from collections.abc import Iterator

WINDOW_BYTES = 1 << 16
MAX_PATTERN_BYTES = 16


def find(data: memoryview, pattern: bytes, start: int) -> int | None:
    """Where `pattern` is found first, from `start` on; None: nowhere."""
    return next(matches(data, re.compile(re.escape(pattern), re.DOTALL), start), None)


def matches(data: memoryview, pattern: re.Pattern[bytes], start: int) -> Iterator[int]:
    """Wherever a `pattern` of up to 16 bytes is found, from `start` on."""
    reach = WINDOW_BYTES + MAX_PATTERN_BYTES
    for window in range(start, len(data), WINDOW_BYTES):
        for match in pattern.finditer(bytes(data[window : window + reach])):
            if match.start() < WINDOW_BYTES:
                yield window + match.start()
