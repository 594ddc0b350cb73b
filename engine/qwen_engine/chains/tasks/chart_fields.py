"""What charts that are derived from texts have in common: texts as CHART takes them, and no more of them."""

import json
from collections.abc import Iterable
from typing import Any

from qwen_engine.text.graphemes import head
from qwen_wire.charts import MAX_BYTES

Chart = dict[str, Any]


def note(text: str, max_chars: int) -> str:
    """A text that may be empty."""
    return head(text.strip(), max_chars).strip()


def name(text: str, max_chars: int) -> str:
    """A text that may not be empty."""
    return note(text, max_chars) or "–"


def distinct(texts: Iterable[str], max_chars: int) -> list[str]:
    """A name for each text, within `max_chars`; of those alike, the second one has a 2."""
    names: dict[str, None] = {}
    counts: dict[str, int] = {}
    for text in texts:
        first = one = name(text, max_chars)
        while one in names:
            counts[first] = counts.get(first, 1) + 1
            suffix = f" ({counts[first]})"
            one = head(first, max_chars - len(suffix)).rstrip() + suffix
        names[one] = None
    return list(names)


def fits(chart: Chart) -> bool:
    """Whether it is no longer than CHART may be."""
    return len(json.dumps(chart, ensure_ascii=False).encode()) <= MAX_BYTES


def fitting(chart: Chart, key: str) -> Chart | None:
    """The chart without the last of its `key` as long as it is too long; None where none of them is left."""
    entries = list(chart[key])
    while entries and not fits({**chart, key: entries}):
        entries.pop()
    return {**chart, key: entries} if entries else None
