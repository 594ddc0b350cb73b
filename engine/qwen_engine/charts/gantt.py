"""Gantt charts: tasks over days, their dependencies, and today."""

from qwen_engine.charts.axis import DateAxis, placed_labels
from qwen_engine.charts.canvas import Canvas
from qwen_engine.charts.page import MARGIN, SIZE, SMALL_SIZE, Heading, Layout, height_of
from qwen_engine.charts.text_layout import TextLayout
from qwen_wire.charts import Gantt, GanttTask
from qwen_wire.theme import ink_on

AXIS_HEIGHT = 44.0
FOOT_HEIGHT = 26.0
BAR_HEIGHT = 20.0
ROW_PADDING = 14.0
MIN_DAYS = 5
MAX_LABELS = 0.36  # of the width


class _Row:
    """A task with its wrapped texts."""

    def __init__(self, task: GanttTask, text_layout: TextLayout, width: float) -> None:
        self.task = task
        self.name = text_layout.wrap(task.name, SIZE, width, 2)
        self.owner = text_layout.wrap(task.owner, SMALL_SIZE, width, 1)
        self.text_height = height_of(self.name, SIZE) + height_of(self.owner, SMALL_SIZE)
        self.height = max(self.text_height, BAR_HEIGHT) + ROW_PADDING
        self.top = 0.0

    @property
    def middle(self) -> float:
        return self.top + self.height / 2


class GanttLayout(Layout):
    """Names on the left, bars on the right, a row a task."""

    def __init__(self, chart: Gantt, text_layout: TextLayout, width: int) -> None:
        self._chart = chart
        self._heading = Heading(chart.title, text_layout, width)
        label_width = _label_width(chart, text_layout, width)
        self._rows = [_Row(task, text_layout, label_width) for task in chart.tasks]
        self._rows_top = self._heading.bottom + AXIS_HEIGHT
        self._rows_bottom = self._rows_top
        for row in self._rows:
            row.top = self._rows_bottom
            self._rows_bottom += row.height
        self._axis = _axis(chart, MARGIN + label_width + 16, width - MARGIN)
        self._colours = _colours(chart)
        self.height = self._rows_bottom + (FOOT_HEIGHT if chart.today else 0) + MARGIN

    def draw(self, canvas: Canvas) -> None:
        self._heading.draw(canvas)
        self._draw_bands(canvas)
        self._draw_axis(canvas)
        rows = {row.task.name: row for row in self._rows}
        for row in self._rows:
            for name in row.task.after:
                self._draw_dependency(canvas, rows[name], row)
            self._draw_row(canvas, row)
        self._draw_today(canvas)

    def _draw_bands(self, canvas: Canvas) -> None:
        for row in self._rows[::2]:
            width = canvas.width - 2 * MARGIN + 16
            canvas.rectangle(MARGIN - 8, row.top, width, row.height, canvas.theme.band, layer=0)
        for left, right in self._axis.weekends():
            height = self._rows_bottom - self._rows_top
            canvas.rectangle(left, self._rows_top, right - left, height, canvas.theme.pale(canvas.theme.grid, 0.5))

    def _draw_axis(self, canvas: Canvas) -> None:
        large, small = self._axis.marks(canvas.text_layout.labels)
        top = self._heading.bottom
        for marks, line_top, middle, colour in (
            (large, top + 2, top + 11, canvas.theme.text),
            (small, top + 22, top + 32, canvas.theme.muted),
        ):
            for mark in marks:
                canvas.line([(mark.start, line_top), (mark.start, self._rows_bottom)], canvas.theme.grid)
            for left, label in placed_labels(marks, lambda text: canvas.text_layout.width(text, SMALL_SIZE)):
                canvas.text(left, middle, label, SMALL_SIZE, colour)
        bottom = [(self._axis.left, self._rows_top), (self._axis.right, self._rows_top)]
        canvas.line(bottom, canvas.theme.grid, width=1.5)

    def _draw_row(self, canvas: Canvas, row: _Row) -> None:
        top = row.middle - row.text_height / 2
        canvas.lines(MARGIN, top, row.name, SIZE, canvas.theme.text)
        canvas.lines(MARGIN, top + height_of(row.name, SIZE), row.owner, SMALL_SIZE, canvas.theme.muted)
        colour = canvas.theme.colour(self._colours[row.task.owner])
        start, end = self._span(row.task)
        if row.task.end is None:
            x, half = (start + end) / 2, BAR_HEIGHT / 2
            corners = [(x, row.middle - half), (x + half, row.middle), (x, row.middle + half), (x - half, row.middle)]
            canvas.polygon(corners, colour, layer=3)
        else:
            self._draw_bar(canvas, row, start, end - start, colour)

    def _draw_bar(self, canvas: Canvas, row: _Row, left: float, width: float, colour: str) -> None:
        top, width = row.middle - BAR_HEIGHT / 2, max(width, 2.0)
        progress = row.task.progress
        if progress is None:
            canvas.rectangle(left, top, width, BAR_HEIGHT, colour, radius=4, layer=3)
            return
        rest = canvas.theme.pale(colour)
        canvas.rectangle(left, top, width, BAR_HEIGHT, rest, radius=4, layer=3)
        if progress:
            canvas.rectangle(left, top, width * progress, BAR_HEIGHT, colour, radius=4, layer=3)
        text, done = f"{100 * progress:.0f}%", width * progress
        needed = canvas.text_layout.width(text, SMALL_SIZE) + 10
        if done >= needed:
            canvas.text(left + done - 5, row.middle, text, SMALL_SIZE, ink_on(colour), align="right")
        elif width - done >= needed:
            canvas.text(left + done + 5, row.middle, text, SMALL_SIZE, ink_on(rest))

    def _draw_dependency(self, canvas: Canvas, before: _Row, after: _Row) -> None:
        """Sideways from one bar, then up or down to the other; straight where one is above the other."""
        downwards = 1.0 if after.top > before.top else -1.0
        left, right = self._span(after.task)
        x = min(left + 7, (left + right) / 2) if after.task.end else (left + right) / 2
        tip = (x, after.middle - downwards * BAR_HEIGHT / 2)
        left, right = self._span(before.task)
        if left <= x <= right:
            points = [(x, before.middle), tip]
        else:
            points = [(right if x > right else left, before.middle), (x, before.middle), tip]
        canvas.line(points, canvas.theme.muted, width=1.3, layer=2)
        canvas.arrow_head(tip, (0.0, downwards), canvas.theme.muted, size=6, layer=4)

    def _draw_today(self, canvas: Canvas) -> None:
        if self._chart.today is None:
            return
        x = self._axis.x(self._chart.today.toordinal() + 0.5)
        height = self._rows_bottom + 4 - self._rows_top
        canvas.rectangle(round(x - 1), self._rows_top, 2, height, canvas.theme.accent, layer=4)
        word = canvas.text_layout.labels.today
        half = canvas.text_layout.width(word, SMALL_SIZE, bold=True) / 2 + 7
        middle = min(max(x, self._axis.left + half), self._axis.right - half)
        top = self._rows_bottom + 4
        canvas.rectangle(middle - half, top, 2 * half, 19, canvas.theme.accent, radius=4, layer=4)
        ink = ink_on(canvas.theme.accent)
        canvas.text(middle, top + 9.5, word, SMALL_SIZE, ink, align="center", bold=True)

    def _span(self, task: GanttTask) -> tuple[float, float]:
        """The pixels of a task's days; a milestone has one day."""
        last = task.end or task.start
        return self._axis.x(task.start.toordinal()), self._axis.x(last.toordinal() + 1)


def _label_width(chart: Gantt, text_layout: TextLayout, width: float) -> float:
    """As wide as the widest text, if that leaves enough for the bars."""
    names = [text_layout.width(task.name, SIZE) for task in chart.tasks]
    owners = [text_layout.width(task.owner, SMALL_SIZE) for task in chart.tasks]
    return min(max(names + owners) + 1, MAX_LABELS * width)


def _axis(chart: Gantt, left: float, right: float) -> DateAxis:
    """From the first day to the last, with a margin."""
    dates = [task.start for task in chart.tasks] + [task.end for task in chart.tasks if task.end]
    days = [day.toordinal() for day in [*dates, chart.today] if day]
    first, last = min(days), max(days) + 1
    air = max(1, round(0.02 * (last - first)), (MIN_DAYS - (last - first)) // 2)
    return DateAxis(max(1, first - air), last + air, left, right)


def _colours(chart: Gantt) -> dict[str, int]:
    """A colour for each owner, in order of appearance."""
    owners = dict.fromkeys(task.owner for task in chart.tasks)
    return {owner: number for number, owner in enumerate(owners)}
