"""Values by category, a bar for each series."""

import math
from collections.abc import Iterator

from qwen_engine.charts.canvas import Canvas
from qwen_engine.charts.page import MARGIN, SMALL_SIZE, Heading, Layout, height_of, require_width
from qwen_engine.charts.text_layout import TextLayout
from qwen_wire.charts import BarChart
from qwen_wire.theme import LINE_HEIGHT

MIN_BAR = 4.0
MAX_BAR = 64.0
PLOT_HEIGHT = 320.0
GROUP_SHARE = 0.76  # of a category's width, filled by its bars
MAX_UPRIGHT = 130.0
LEGEND_HEIGHT = 24.0
NUM_TICKS = 5
LABEL_ROOM = 0.05  # of the span of the values
MOST_ROOM = 0.5  # of the plot, for upright values
LINE = 12.0  # high enough for a line of small text
MOST_FRACTION = 1e6  # from here on six figures are whole numbers
MIN_SPAN = 1e-9  # smaller values are drawn as zeros


class BarLayout(Layout):
    """Categories and values are upright where they are wider than their places; values that do not fit are left out."""

    def __init__(self, chart: BarChart, text_layout: TextLayout, width: int) -> None:
        self._chart = chart
        self._heading = Heading(chart.title, text_layout, width)
        self._values = [value for series in chart.series for value in series.values if value is not None]
        self._right = width - MARGIN
        self._set_scale(text_layout, LABEL_ROOM, LABEL_ROOM)
        num_bars = len(chart.categories) * len(chart.series)
        least = num_bars * MIN_BAR / GROUP_SHARE + self._left + MARGIN
        require_width(width, least, f"a chart of {num_bars} bars")
        self._has_upright_values = self._stand_up(text_layout)
        self._set_categories(text_layout)
        self._legend = list(self._legend_places(text_layout)) if len(chart.series) > 1 else []
        self._legend_height = LEGEND_HEIGHT * (1 + self._legend[-1][2]) + 6 if self._legend else 0.0
        self._unit = text_layout.wrap(chart.unit, SMALL_SIZE, width - 2 * MARGIN, 1)
        self._top = self._heading.bottom + self._legend_height + height_of(self._unit, SMALL_SIZE) + 14
        self.height = self._top + PLOT_HEIGHT + 8 + self._foot + MARGIN

    def draw(self, canvas: Canvas) -> None:
        self._heading.draw(canvas)
        self._draw_legend(canvas)
        unit_top = self._top - 14 - height_of(self._unit, SMALL_SIZE)
        canvas.lines(MARGIN, unit_top, self._unit, SMALL_SIZE, canvas.theme.muted)
        for tick in self._ticks:
            y, is_zero = self._y(tick), tick == 0
            colour = canvas.theme.muted if is_zero else canvas.theme.grid
            canvas.line([(self._left, y), (self._right, y)], colour, layer=4 if is_zero else 1)
            canvas.text(self._left - 8, y, number(tick), SMALL_SIZE, canvas.theme.muted, align="right")
        for place, lines in enumerate(self._categories):
            self._draw_category(canvas, place, lines)

    def _draw_category(self, canvas: Canvas, place: int, lines: list[str]) -> None:
        middle, top = self._left + (place + 0.5) * self._place, self._top + PLOT_HEIGHT + 8
        if self._is_upright:
            bottom = top + self._foot
            text_width = canvas.text_layout.width(lines[0], SMALL_SIZE)
            canvas.upright(middle, bottom - (self._foot - text_width), lines[0], SMALL_SIZE, canvas.theme.text)
        else:
            canvas.lines(middle, top, lines, SMALL_SIZE, canvas.theme.text, align="center")
        left = middle - self._bar * len(self._chart.series) / 2
        for position, series in enumerate(self._chart.series):
            if (value := series.values[place]) is not None:
                self._draw_bar(canvas, left + position * self._bar, value, canvas.theme.colour(position))

    def _draw_bar(self, canvas: Canvas, left: float, value: float, colour: str) -> None:
        zero, end = self._y(0.0), self._y(value)
        width = self._bar - min(2.0, 0.15 * self._bar)
        canvas.rectangle(left, min(zero, end), width, abs(zero - end), colour, layer=2)
        text, middle = number(value), left + width / 2
        needed = canvas.text_layout.width(text, SMALL_SIZE)
        if self._has_upright_values:
            top = end - 4 - needed if value >= 0 else end + 4
            canvas.rectangle(middle - LINE / 2, top, LINE, needed, canvas.theme.background)
            canvas.upright(middle, top + needed, text, SMALL_SIZE, canvas.theme.text)
        elif needed <= self._slot - 2:
            outwards = -9 if value >= 0 else 9
            canvas.rectangle(middle - needed / 2, end + outwards - 7, needed, 14, canvas.theme.background)
            canvas.text(middle, end + outwards, text, SMALL_SIZE, canvas.theme.text, align="center")

    def _draw_legend(self, canvas: Canvas) -> None:
        for left, position, line in self._legend:
            middle = self._heading.bottom + (line + 0.5) * LEGEND_HEIGHT
            canvas.rectangle(left, middle - 6, 12, 12, canvas.theme.colour(position), radius=3)
            name = canvas.text_layout.fit(self._chart.series[position].name, SMALL_SIZE, canvas.width - 2 * MARGIN - 18)
            canvas.text(left + 18, middle, name, SMALL_SIZE, canvas.theme.text)

    def _legend_places(self, text_layout: TextLayout) -> Iterator[tuple[float, int, int]]:
        """Left edge, series and line of each entry."""
        left, line = MARGIN, 0
        for position, series in enumerate(self._chart.series):
            taken = 18 + text_layout.width(series.name, SMALL_SIZE)
            if left > MARGIN and left + taken > self._right:
                left, line = MARGIN, line + 1
            yield left, position, line
            left += taken + 20

    def _set_scale(self, text_layout: TextLayout, above: float, below: float) -> None:
        """Ticks with these shares of the plot for the values written beyond the bars, and the places of the bars."""
        lowest, highest = min([0.0, *self._values]), max([0.0, *self._values])
        span = highest - lowest
        self._ticks = ticks(lowest - below * span if lowest else 0.0, highest + above * span if highest else 0.0)
        self._left = MARGIN + max(text_layout.width(number(tick), SMALL_SIZE) for tick in self._ticks) + 10
        num_series = len(self._chart.series)
        self._place = (self._right - self._left) / len(self._chart.categories)
        self._bar = min(MAX_BAR, GROUP_SHARE * self._place / num_series)
        self._slot = self._place if num_series == 1 else self._bar  # without another bar in it

    def _stand_up(self, text_layout: TextLayout) -> bool:
        """Make room for upright values if they are too wide; whether there is any."""
        widths = {value: text_layout.width(number(value), SMALL_SIZE) for value in self._values}
        above, below = (
            max((width + 10 for value, width in widths.items() if (value < 0) == is_below), default=0.0) / PLOT_HEIGHT
            for is_below in (False, True)
        )
        if max(widths.values(), default=0.0) <= self._slot - 2 or self._slot < LINE or above + below > MOST_ROOM:
            return False
        room = 1 - above - below
        self._set_scale(text_layout, above / room, below / room)
        return True

    def _set_categories(self, text_layout: TextLayout) -> None:
        room, names = self._place - 6, self._chart.categories
        widest = max(text_layout.width(word, SMALL_SIZE) for name in names for word in _unbroken(name))
        self._is_upright = widest > room
        if self._is_upright:
            least = len(names) * SMALL_SIZE * LINE_HEIGHT * 0.8 + self._left + MARGIN
            require_width(self._right + MARGIN, least, f"a chart of {len(names)} categories")
            self._categories = [[text_layout.fit(name, SMALL_SIZE, MAX_UPRIGHT)] for name in names]
            self._foot = max(text_layout.width(line, SMALL_SIZE) for [line] in self._categories)
        else:
            self._categories = [text_layout.wrap(name, SMALL_SIZE, room, 3) for name in names]
            self._foot = max(height_of(lines, SMALL_SIZE) for lines in self._categories)

    def _y(self, value: float) -> float:
        lowest, highest = self._ticks[0], self._ticks[-1]
        return self._top + PLOT_HEIGHT * (highest - value) / (highest - lowest)


def ticks(lowest: float, highest: float) -> list[float]:
    """Round numbers, some five, from below `lowest` to above `highest`."""
    span = highest - lowest if highest - lowest >= MIN_SPAN else 1.0
    rough = span / NUM_TICKS
    magnitude = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * magnitude for factor in (1, 2, 2.5, 5, 10) if factor * magnitude >= 0.999 * rough)
    first, last = math.floor(lowest / step + 1e-9), math.ceil((lowest + span) / step - 1e-9)
    return [float(f"{count * step:.12g}") for count in range(first, last + 1)]


def number(value: float) -> str:
    """1234.5 as "1,234.5"; whole numbers in full, others with six figures at most; no zero is negative."""
    if abs(value) < MOST_FRACTION and value != round(value):
        value = float(f"{value:.6g}")
    value += 0.0  # -0.0 is 0.0 then
    is_whole = abs(value) >= MOST_FRACTION or value == round(value)
    return f"{value:,.0f}" if is_whole else f"{value:,.6g}"


def _unbroken(name: str) -> list[str]:
    """The parts of a name that stay on one line; of East Asian text, single characters."""
    return [unit for word in name.split() for unit in ([word] if word.isascii() else list(word))]
