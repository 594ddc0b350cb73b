"""Responsibility matrices: tasks in rows, people in columns, R, A, C and I in the cells."""

from collections.abc import Iterator
from itertools import pairwise

from qwen_engine.charts.canvas import Canvas
from qwen_engine.charts.page import MARGIN, SIZE, SMALL_SIZE, Heading, Layout, height_of, require_width
from qwen_engine.charts.text_layout import TextLayout
from qwen_wire.charts import ResponsibilityMatrix
from qwen_wire.theme import ink_on

NAME_SIZE = 13.0
MIN_COLUMN = 28.0
MAX_COLUMN = 150.0
MAX_LABELS = 0.4  # of the width
MIN_LABELS = 90.0
MAX_UPRIGHT = 150.0
BADGE = 24.0
ROW_PADDING = 16.0
LEGEND_HEIGHT = 28.0


class MatrixLayout(Layout):
    """Names of people are upright where they are wider than their columns."""

    def __init__(self, chart: ResponsibilityMatrix, text_layout: TextLayout, width: int) -> None:
        self._chart = chart
        num_people = len(chart.people)
        require_width(width, 2 * MARGIN + MIN_LABELS + num_people * MIN_COLUMN, f"a matrix of {num_people} people")
        self._heading = Heading(chart.title, text_layout, width)
        room = width - 2 * MARGIN
        widest = max(text_layout.width(task.name, SIZE) for task in chart.tasks) + 12
        labels = min(widest, max(MAX_LABELS * width, room - num_people * MAX_COLUMN), room - num_people * MIN_COLUMN)
        self._column = min(MAX_COLUMN, (room - labels) / num_people)
        self._left = MARGIN + labels
        self._set_people(text_layout)
        self._tasks = [text_layout.wrap(task.name, SIZE, labels - 12, 3) for task in chart.tasks]
        heights = [max(height_of(lines, SIZE), BADGE) + ROW_PADDING for lines in self._tasks]
        top = self._heading.bottom + self._head_height
        self._tops = [top + sum(heights[:number]) for number in range(len(heights) + 1)]
        self._legend = list(self._legend_places(text_layout, width))
        self.height = self._tops[-1] + 12 + LEGEND_HEIGHT * (1 + self._legend[-1][2]) + MARGIN - 8

    def draw(self, canvas: Canvas) -> None:
        self._heading.draw(canvas)
        self._draw_people(canvas)
        for number, (top, bottom) in enumerate(pairwise(self._tops)):
            self._draw_task(canvas, number, top, bottom)
        for number in range(len(self._chart.people) + 1):
            x = self._left + number * self._column
            canvas.line([(x, self._tops[0]), (x, self._tops[-1])], canvas.theme.grid)
        for left, role, line in self._legend:
            top = self._tops[-1] + 12 + line * LEGEND_HEIGHT
            self._draw_badge(canvas, left + 9, top + LEGEND_HEIGHT / 2, role, 18)
            word = canvas.text_layout.labels.roles[role]
            canvas.text(left + 25, top + LEGEND_HEIGHT / 2, word, SMALL_SIZE, canvas.theme.muted)

    def _set_people(self, text_layout: TextLayout) -> None:
        room = self._column - 8
        people = self._chart.people
        self._is_upright = any(_longest_word(name, text_layout) > room for name in people)
        if self._is_upright:
            self._people = [[text_layout.fit(name, NAME_SIZE, MAX_UPRIGHT, bold=True)] for name in people]
            widest = max(text_layout.width(line, NAME_SIZE, bold=True) for [line] in self._people)
            self._head_height = widest + 16
        else:
            self._people = [text_layout.wrap(name, NAME_SIZE, room, 3, bold=True) for name in people]
            self._head_height = max(height_of(lines, NAME_SIZE) for lines in self._people) + 12

    def _draw_people(self, canvas: Canvas) -> None:
        bottom = self._tops[0] - 6
        for number, lines in enumerate(self._people):
            middle = self._left + (number + 0.5) * self._column
            if self._is_upright:
                canvas.upright(middle, bottom, lines[0], NAME_SIZE, canvas.theme.text, bold=True)
            else:
                top = bottom - height_of(lines, NAME_SIZE)
                canvas.lines(middle, top, lines, NAME_SIZE, canvas.theme.text, align="center", bold=True)
        right = self._left + len(self._people) * self._column
        canvas.line([(MARGIN, self._tops[0]), (right, self._tops[0])], canvas.theme.muted, width=1.5, layer=2)

    def _draw_task(self, canvas: Canvas, number: int, top: float, bottom: float) -> None:
        right = self._left + len(self._people) * self._column
        if number % 2 == 0:
            canvas.rectangle(MARGIN - 8, top, right - MARGIN + 8, bottom - top, canvas.theme.band, layer=0)
        middle, lines = (top + bottom) / 2, self._tasks[number]
        canvas.lines(MARGIN, middle - height_of(lines, SIZE) / 2, lines, SIZE, canvas.theme.text)
        canvas.line([(MARGIN - 8, bottom), (right, bottom)], canvas.theme.grid)
        for place, person in enumerate(self._chart.people):
            roles = self._chart.tasks[number].roles.get(person, "")
            centre = self._left + (place + 0.5) * self._column
            size = min(BADGE, (self._column - 8) / max(len(roles), 1) - 2)
            for position, role in enumerate(roles):
                x = centre + (position - (len(roles) - 1) / 2) * (size + 4)
                self._draw_badge(canvas, x, middle, role, size)

    def _draw_badge(self, canvas: Canvas, x: float, y: float, role: str, size: float) -> None:
        colour = canvas.theme.roles[role]
        canvas.rectangle(x - size / 2, y - size / 2, size, size, colour, radius=0.22 * size, layer=3)
        canvas.text(x, y, role, 0.6 * size, ink_on(colour), align="center", bold=True)

    def _legend_places(self, text_layout: TextLayout, width: float) -> Iterator[tuple[float, str, int]]:
        """Left edge, role and line of each entry."""
        left, line = MARGIN, 0
        for role, word in text_layout.labels.roles.items():
            taken = 25 + text_layout.width(word, SMALL_SIZE) + 22
            if left > MARGIN and left + taken - 22 > width - MARGIN:
                left, line = MARGIN, line + 1
            yield left, role, line
            left += taken


def _longest_word(name: str, text_layout: TextLayout) -> float:
    """The width of the widest part that stays on one line; East Asian names may break after any character."""
    parts = (part for word in name.split() for part in ([word] if word.isascii() else word))
    return max((text_layout.width(part, NAME_SIZE, bold=True) for part in parts), default=0.0)
