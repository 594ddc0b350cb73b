"""Margins, title and the interface of all charts."""

from collections.abc import Sequence
from typing import Protocol

from qwen_engine.charts.canvas import Canvas
from qwen_engine.charts.text_layout import TextLayout
from qwen_wire.errors import InvalidRequest
from qwen_wire.theme import LINE_HEIGHT, TypeScale

MARGIN = 24.0
SCALE = TypeScale(14.0)
TITLE_SIZE, SIZE, SMALL_SIZE = SCALE.title, SCALE.body, SCALE.small


class Layout(Protocol):
    """A chart with its texts wrapped for a width; `draw` needs a canvas of `height` or more.

    Its units are `zoom` pixels.
    """

    height: float
    zoom: float = 1.0

    def draw(self, canvas: Canvas) -> None: ...


class Heading:
    """The title, on two lines at most."""

    def __init__(self, title: str, text_layout: TextLayout, width: float) -> None:
        self._lines = text_layout.wrap(title, TITLE_SIZE, width - 2 * MARGIN, 2, bold=True)
        self.bottom = MARGIN + (height_of(self._lines, TITLE_SIZE) + 14 if self._lines else 0)

    def draw(self, canvas: Canvas) -> None:
        canvas.lines(MARGIN, MARGIN, self._lines, TITLE_SIZE, canvas.theme.text, bold=True)


def height_of(lines: Sequence[str], size: float) -> float:
    return len(lines) * size * LINE_HEIGHT


def require_width(width: float, least: float, what: str) -> None:
    """Refuse a width that is too small for `what`."""
    if width < least:
        raise InvalidRequest(f"OPTIONS.width is {width:g}; {what} needs {-(-least // 1):g} pixels at least")
