"""Axes: dates and times to pixels, with marks."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from qwen_engine.charts.labels import Labels

MIN_DAY_GAP = 21.0  # pixels between the numbers of days
MIN_WEEK_GAP = 24.0
MIN_MONTH_GAP = 34.0
MIN_YEAR_GAP = 44.0
INSET = 4.0
LABEL_GAP = 8.0
DAYS_A_MONTH = 30.44
STEPS_YEARS = (1, 2, 5, 10, 20, 50, 100)
STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400, 172800)


@dataclass(frozen=True)
class Mark:
    """A stretch from `start` to `end` pixels; the small marks of an axis are labelled there, the large ones above."""

    start: float
    end: float
    label: str


@dataclass(frozen=True)
class Axis:
    """Values (days or seconds) from `first` to `last` on the pixels from `left` to `right`."""

    first: float
    last: float
    left: float
    right: float

    def x(self, value: float) -> float:
        return self.left + (value - self.first) * self.unit_px

    @property
    def unit_px(self) -> float:
        return (self.right - self.left) / (self.last - self.first)


class DateAxis(Axis):
    """Days by their ordinals; a day begins at its ordinal and ends at the next."""

    def marks(self, labels: Labels) -> tuple[list[Mark], list[Mark]]:
        """Large and small marks: months and days, months and Mondays, years and months or quarters, or years alone."""
        first, last = date.fromordinal(int(self.first)), date.fromordinal(int(self.last))
        if self.unit_px >= MIN_WEEK_GAP / 7:
            step = 1 if self.unit_px >= MIN_DAY_GAP else 7
            small = self._marks(_days(first, last, step), lambda day: str(day.day))
            return self._marks(_months(first, last, 1), labels.year_and_month), small
        if (months := math.ceil(MIN_MONTH_GAP / (self.unit_px * DAYS_A_MONTH))) <= 3:
            small = self._marks(_months(first, last, 1 if months == 1 else 3), labels.month)
            return self._marks(_months(first, last, 12), lambda day: str(day.year)), small
        years = next((step for step in STEPS_YEARS if self.unit_px * 365 * step >= MIN_YEAR_GAP), STEPS_YEARS[-1])
        return [], self._marks(_months(first, last, 12 * years), lambda day: str(day.year))

    def weekends(self) -> Iterator[tuple[float, float]]:
        """Saturdays and Sundays as stretches of pixels, where a day has four pixels or more."""
        if self.unit_px < 4:
            return
        for ordinal in range(int(self.first), int(self.last)):
            if date.fromordinal(ordinal).weekday() >= 5:
                yield self.x(ordinal), self.x(ordinal + 1)

    def _marks(self, starts: Sequence[date], label: Callable[[date], str]) -> list[Mark]:
        ends = [*starts[1:], date.fromordinal(int(self.last))] if starts else []
        return [
            Mark(max(self.left, self.x(start.toordinal())), self.x(end.toordinal()), label(start))
            for start, end in zip(starts, ends, strict=True)
        ]


def placed_labels(marks: Sequence[Mark], width: Callable[[str], float]) -> Iterator[tuple[float, str]]:
    """Where labels begin that fit into their stretches.

    The first stretch may be a single day of its year: its label goes on into the second if there is room for both.
    """
    free = 0.0
    for number, mark in enumerate(marks):
        left = max(mark.start + INSET, free)
        end = left + width(mark.label)
        following = marks[1:2] if number == 0 else []
        if end <= mark.end or any(end + LABEL_GAP + width(one.label) <= one.end for one in following):
            yield left, mark.label
            free = end + LABEL_GAP


class ClockAxis(Axis):
    """Seconds since a beginning."""

    def marks(self) -> list[Mark]:
        step_s = next((step for step in STEPS_S if step * self.unit_px >= 56), STEPS_S[-1])
        times = range(int(-(-self.first // step_s)) * step_s, int(self.last) + 1, step_s)
        return [Mark(self.x(time_s), self.x(time_s + step_s), clock(time_s)) for time_s in times]


def clock(time_s: float) -> str:
    """90.0 as "1:30", hours only where there are any."""
    minutes, seconds = divmod(int(time_s), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def _days(first: date, last: date, step: int) -> list[date]:
    """All days (`step` 1), or Mondays (7)."""
    start = first if step == 1 else first + timedelta(days=-first.weekday() % 7)
    return [start + timedelta(days=day) for day in range(0, max(0, (last - start).days), step)]


def _months(first: date, last: date, step: int) -> list[date]:
    """The first of every `step`th month (12: of every January), the one that `first` is in included."""
    number = (first.year * 12 + first.month - 1) // step * step
    starts = []
    while (start := date(number // 12, number % 12 + 1, 1)) < last:
        starts.append(start)
        number += step
    return starts
