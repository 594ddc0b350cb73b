"""Events below each other, each in a row: for more of them than there is room for along a line."""

from collections.abc import Sequence
from dataclasses import dataclass

from qwen_engine.charts.canvas import Canvas
from qwen_engine.charts.page import MARGIN, SIZE, SMALL_SIZE, Heading, Layout, height_of
from qwen_engine.charts.text_layout import TextLayout
from qwen_wire.theme import LINE_HEIGHT

MAX_WHEN = 0.4  # of the width
LINE_GAP = 18.0  # on both sides of the line
PADDING = 7.0
MAX_LABEL_LINES, MAX_DETAIL_LINES = 3, 4


@dataclass(frozen=True)
class _Row:
    when: str
    label: list[str]
    detail: list[str]

    @property
    def height(self) -> float:
        return height_of(self.label, SIZE) + height_of(self.detail, SMALL_SIZE) + 2 * PADDING


class TimelineRows(Layout):
    """`events`: when each was, its label and its detail, in order."""

    def __init__(
        self, title: str, events: Sequence[tuple[str, str, str]], text_layout: TextLayout, width: float
    ) -> None:
        self._heading = Heading(title, text_layout, width)
        widest = max(text_layout.width(when, SMALL_SIZE, bold=True) for when, _, _ in events)
        when_width = min(widest + 1, MAX_WHEN * width)
        self._line_x = MARGIN + when_width + LINE_GAP
        room = width - MARGIN - self._line_x - LINE_GAP
        self._rows = [
            _Row(
                text_layout.fit(when, SMALL_SIZE, when_width, bold=True),
                text_layout.wrap(label, SIZE, room, MAX_LABEL_LINES),
                text_layout.wrap(detail, SMALL_SIZE, room, MAX_DETAIL_LINES),
            )
            for when, label, detail in events
        ]
        self.height = self._heading.bottom + sum(row.height for row in self._rows) + MARGIN

    def draw(self, canvas: Canvas) -> None:
        self._heading.draw(canvas)
        top, middles = self._heading.bottom, []
        for number, row in enumerate(self._rows):
            middles.append(top + PADDING + SIZE * LINE_HEIGHT / 2)
            self._draw_row(canvas, number, row, top, middles[-1])
            top += row.height
        canvas.line([(self._line_x, middles[0]), (self._line_x, middles[-1])], canvas.theme.muted, width=1.6)

    def _draw_row(self, canvas: Canvas, number: int, row: _Row, top: float, middle: float) -> None:
        theme = canvas.theme
        if number % 2 == 0:
            band = canvas.width - 2 * MARGIN + 16
            canvas.rectangle(MARGIN - 8, top, band, row.height, theme.band, layer=0)
        colour, left = theme.colour(number), self._line_x + LINE_GAP
        canvas.text(self._line_x - LINE_GAP, middle, row.when, SMALL_SIZE, colour, align="right", bold=True)
        canvas.dot(self._line_x, middle, 5, colour, edge=theme.background, layer=4)
        canvas.lines(left, top + PADDING, row.label, SIZE, theme.text)
        detail_top = top + PADDING + height_of(row.label, SIZE)
        canvas.lines(left, detail_top, row.detail, SMALL_SIZE, theme.muted)
