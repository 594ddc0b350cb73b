"""How much room a text takes, estimated: the program that shows a document, and its fonts, are not known here.

Latin letters are taken as wide as those of Arial, which are wider than Noto's; what is estimated to fit does.
"""

import re
import unicodedata
from collections.abc import Iterator

WIDE = (
    "\u1100-\u115f\u2e80-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff"
)
UNIT = re.compile(rf"\s+|[{WIDE}]|[^\s{WIDE}]+")
WIDTHS_EM = {"ijl'|": 0.25, "ftrI.,:;!()[]/\\ ": 0.34, '-"*^`': 0.42, "mMW@%": 0.95, "w&+<=>~": 0.74}
BY_CHAR = {char: width for chars, width in WIDTHS_EM.items() for char in chars}
UPPER_EM, OTHER_EM = 0.7, 0.58


def width_em(text: str) -> float:
    """Of the text on one line, in multiples of the size of its type."""
    return sum(map(_char_em, text))


def longest_unit_em(text: str) -> float:
    """Of the widest part that stays on one line; East Asian text may break after any character."""
    return max((width_em(unit) for unit in UNIT.findall(text) if not unit.isspace()), default=0.0)


def wrapped(text: str, room_em: float) -> list[str]:
    """`text` on lines of that width, spaces at their ends included; an empty one for no text."""
    lines = [""]
    for unit in _units(text, room_em):
        if lines[-1].strip() and width_em((lines[-1] + unit).rstrip()) > room_em:
            lines.append("")
        lines[-1] += unit if lines[-1] else unit.lstrip()
    return lines


def _units(text: str, room_em: float) -> Iterator[str]:
    """The units of line breaking; a word longer than a line is cut."""
    for unit in UNIT.findall(text):
        begin, taken = 0, 0.0
        for end, char in enumerate(unit):
            taken += (width := _char_em(char))
            if taken > room_em and end > begin:
                yield unit[begin:end]
                begin, taken = end, width
        yield unit[begin:]


def _char_em(char: str) -> float:
    if char in BY_CHAR:
        return BY_CHAR[char]
    if unicodedata.category(char) in ("Mn", "Me", "Cf", "Cc"):
        return 0.0
    width = unicodedata.east_asian_width(char)
    if width in "WF" or (width == "A" and not char.isalnum()):
        return 1.0
    return UPPER_EM if char.isupper() else OTHER_EM
