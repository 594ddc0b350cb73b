"""How wide text is on a screen, in columns: Chinese characters take two, combining marks none."""

import unicodedata

from qwen_engine.asr.joining import is_closing

MAX_COLUMNS = 42
MAX_HANGING = 4  # so many closing signs may be kept together with what they close


def width(text: str) -> int:
    """Columns of `text`."""
    return sum(map(_char_width, text))


def cut_to_width(text: str) -> list[str]:
    """`text` in parts of at most 42 columns, which begin with no closing punctuation if that can be helped."""
    parts = [""]
    columns = 0
    for char in text:
        if columns + _char_width(char) > MAX_COLUMNS:
            kept, carried = _without_tail(parts[-1]) if is_closing(char) else (parts[-1], "")
            parts[-1:] = [kept, carried]
            columns = width(carried)
        parts[-1] += char
        columns += _char_width(char)
    return parts


def _without_tail(part: str) -> tuple[str, str]:
    """The last character and the signs that close it go with the next part."""
    for length in range(1, MAX_HANGING + 1):
        if not is_closing(part[-length]):
            return part[:-length], part[-length:]
    return part, ""


def _char_width(char: str) -> int:
    if unicodedata.category(char) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1
