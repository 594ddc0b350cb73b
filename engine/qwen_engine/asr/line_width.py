"""How wide text is on a screen, in columns: Chinese characters take two, combining marks none."""

import functools
import unicodedata

from qwen_engine.asr.text_join import is_closing

MAX_COLUMNS = 42
MAX_HANGING = 4  # so many closing signs stay on the line of what they close


def width(text: str) -> int:
    """Columns of `text`."""
    return sum(map(_char_width, text))


def cut_to_width(text: str) -> list[str]:
    """`text` in parts of at most 42 columns, which begin with no closing punctuation if that can be helped."""
    parts: list[str] = []
    start = columns = 0
    for index, char in enumerate(text):
        if columns + _char_width(char) > MAX_COLUMNS:
            end = _without_tail(text, start, index) if is_closing(char) else index
            parts.append(text[start:end])
            start, columns = end, width(text[end:index])
        columns += _char_width(char)
    return [*parts, text[start:]]


def _without_tail(text: str, start: int, end: int) -> int:
    """Where a part from `start` to `end` ends if its last character and the signs that close it go with the next."""
    for length in range(1, MAX_HANGING + 1):
        if not is_closing(text[end - length]):
            return end - length
    return end


@functools.lru_cache(4096)
def _char_width(char: str) -> int:
    if unicodedata.category(char) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1
