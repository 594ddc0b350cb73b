"""Text layout: measuring, line breaks, ellipses, and a box for characters without a glyph."""

import re
import unicodedata
from collections.abc import Iterator

from qwen_engine.charts.fonts import Typeface
from qwen_engine.charts.labels import Labels
from qwen_engine.text.graphemes import clusters

SUBSTITUTE = "□"
WIDE = "\u2e80-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff"
OPENING = "（「『【《〈〔［｛“‘(["
CLOSING = "、。，．：；！？）」』】》〉〕］｝”’…ー々ぁぃぅぇぉっゃゅょァィゥェォッャュョ％,.:;!?)%"
# Units that are not broken: a word, or one East Asian character, with its signs.
UNIT = re.compile(rf"\s+|[{re.escape(OPENING)}]*(?:[{WIDE}]|[^\s{WIDE}]+)[{re.escape(CLOSING)}]*")


class TextLayout:
    """Lays out the texts of one chart. `not_drawn`: the characters that were replaced."""

    def __init__(self, typeface: Typeface, labels: Labels) -> None:
        self.typeface = typeface
        self.labels = labels
        self._not_drawn: dict[str, None] = {}

    @property
    def not_drawn(self) -> str:
        return "".join(self._not_drawn)

    def width(self, text: str, size: float, *, bold: bool = False) -> float:
        return self.typeface.width(self.clean(text), size, bold)

    def fit(self, text: str, size: float, width: float, *, bold: bool = False) -> str:
        """`text` on one line of `width` pixels, its end replaced by an ellipsis where it is longer."""
        text = self.clean(text)
        if self.typeface.width(text, size, bold) <= width:
            return text
        return self._cut(text, size, width, bold)

    def wrap(self, text: str, size: float, width: float, max_lines: int, *, bold: bool = False) -> list[str]:
        """`text` on at most `max_lines` lines, the last one cut; none where it is blank."""
        lines = list(self._lines(self.clean(text), size, width, bold))
        if len(lines) <= max_lines:
            return lines
        rest = " ".join(lines[max_lines - 1 :])
        return [*lines[: max_lines - 1], self._cut(rest, size, width, bold)]

    def clean(self, text: str) -> str:
        """`text` on one line, without invisible characters, those that no font has replaced by a box."""
        visible = (char for char in unicodedata.normalize("NFC", text) if not _is_invisible(char))
        return "".join(self._drawable(char) for char in " ".join("".join(visible).split()))

    def _drawable(self, char: str) -> str:
        if self.typeface.has(char):
            return char
        self._not_drawn[char] = None
        return SUBSTITUTE

    def _cut(self, text: str, size: float, width: float, bold: bool) -> str:
        """As much of `text` as fits with an ellipsis."""
        room = width - self.typeface.width(self.labels.ellipsis, size, bold)
        return self._head(text, size, room, bold).rstrip() + self.labels.ellipsis

    def _head(self, text: str, size: float, width: float, bold: bool) -> str:
        taken, end = 0.0, 0
        for cluster in clusters(text):
            taken += self.typeface.width(cluster, size, bold)
            if taken > width:
                return text[:end]
            end += len(cluster)
        return text

    def _lines(self, text: str, size: float, width: float, bold: bool) -> Iterator[str]:
        line = ""
        for unit in self._units(text, size, width, bold):
            if line.strip() and self.typeface.width((line + unit).rstrip(), size, bold) > width:
                yield line.strip()
                line = ""
            line += unit
        if line.strip():
            yield line.strip()

    def _units(self, text: str, size: float, width: float, bold: bool) -> Iterator[str]:
        """The units of line breaking; a word longer than a line is cut."""
        for unit in UNIT.findall(text):
            while self.typeface.width(unit, size, bold) > width and len(unit) > 1:
                head = self._head(unit, size, width, bold) or clusters(unit)[0]
                yield head
                unit = unit[len(head) :]
            yield unit


def _is_invisible(char: str) -> bool:
    """Controls but white space, joiners, direction marks, variation selectors."""
    return "\ufe00" <= char <= "\ufe0f" or (unicodedata.category(char) in ("Cc", "Cf", "Cs") and not char.isspace())
