"""A benchmark's results: a table, then one line of JSON a metric.

metric = ratio("throughput_vs_sequential_c16", ours, theirs, "ratio", Goal(12), detail)
print_metrics([metric])
print(metric.json_line("tts"))
"""

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

NOT_MEASURED = "-"
WIDTH = 150


@dataclass(frozen=True)
class Goal:
    """At least `bound`, or at most."""

    bound: float
    at_most: bool = False

    def met_by(self, value: float) -> bool:
        return value <= self.bound if self.at_most else value >= self.bound

    def __str__(self) -> str:
        return f"{'≤' if self.at_most else '≥'} {self.bound:g}"


@dataclass(frozen=True)
class Metric:
    """`value` None: it could not be measured, and `detail` says why. Without a goal it is for orientation."""

    name: str
    value: float | None
    unit: str
    goal: Goal | None
    detail: Mapping[str, Any]

    @property
    def met(self) -> bool | None:
        return None if self.goal is None or self.value is None else self.goal.met_by(self.value)

    def json_line(self, bench: str, circumstances: Mapping[str, Any]) -> str:
        value = None if self.value is None else round(self.value, 4)
        line = {"bench": bench, "metric": self.name, "value": value, "unit": self.unit}
        goal = None if self.goal is None else self.goal.bound
        return json.dumps({**line, "goal": goal, "met": self.met, "detail": {**circumstances, **self.detail}})


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median and extremes."""
    return {
        "median": round(statistics.median(values), 4),
        "min": round(min(values), 4),
        "max": round(max(values), 4),
    }


def ratio(name: str, ours: Sequence[float], theirs: Sequence[float], unit: str, goal: Goal, **detail: object) -> Metric:
    """The ratio of the medians of repetitions that alternated; `unit` is that of the two."""
    each = [our / their for our, their in zip(ours, theirs, strict=True)]
    figures = {"repetitions": len(each), "ours": spread(ours), "theirs": spread(theirs), "figures_unit": unit}
    value = statistics.median(ours) / statistics.median(theirs)
    return Metric(name, value, "ratio", goal, {**spread(each), **figures, **detail})


def print_report(bench: str, metrics: Sequence[Metric], circumstances: Mapping[str, Any]) -> None:
    """The circumstances, which are those of every metric; the table; the lines."""
    console = Console(width=WIDTH)
    console.print(", ".join(f"{name} {_plain(value)}" for name, value in circumstances.items()), highlight=False)
    console.print(_table(metrics))
    print("\n".join(metric.json_line(bench, circumstances) for metric in metrics))


def _table(metrics: Sequence[Metric]) -> Table:
    """One row a metric; the spread is that of the repetitions."""
    table = Table("metric", "value", "goal", "met", "repetitions: min to max", "ours", "theirs")
    for metric in metrics:
        detail = metric.detail
        times = detail.get("repetitions", 0)
        table.add_row(
            metric.name,
            NOT_MEASURED if metric.value is None else f"{metric.value:.3g} {_short(metric.unit)}",
            str(metric.goal or NOT_MEASURED),
            NOT_MEASURED if metric.met is None else ("yes" if metric.met else "NO"),
            f"{times}: {detail['min']:.3g} to {detail['max']:.3g}" if times else NOT_MEASURED,
            *(_side(detail, side) for side in ("ours", "theirs")),
        )
    return table


def _side(detail: Mapping[str, Any], side: str) -> str:
    return f"{detail[side]['median']:.4g} {detail['figures_unit']}" if side in detail else NOT_MEASURED


def _plain(value: object) -> str:
    """`value` in a line of text."""
    if isinstance(value, Mapping):
        return "(" + ", ".join(f"{key} {_plain(part)}" for key, part in value.items()) + ")"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _short(unit: str) -> str:
    return "x" if unit == "ratio" else unit
