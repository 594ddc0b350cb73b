"""Time for words that have none: both marks of a short word are often in the same class, of 80 ms.

The official package gives such words no time. A player does not highlight them, and a subtitle of one is never seen.
"""

from collections.abc import Sequence
from math import ceil, floor

USUAL_MS = 80  # what such a word gets where there is room
LEAST_MS = 2  # so that it has some when its times are rounded
Span = tuple[float, float]


def with_durations(spans: Sequence[Span], until_ms: float) -> list[Span]:
    """`spans` in order, up to `until_ms`, with those without a length lengthened; none overlap.

    They take free time beside them, up to `USUAL_MS` each. Where there is too little, they and the words beside them
    share what these have; all have the same where that is still too little.
    """
    given = list(spans)
    at = 0
    while at < len(given):
        if _is_long(given[at]):
            at += 1
            continue
        first, last = at, at
        while last + 1 < len(given) and not _is_long(given[last + 1]):
            last += 1
        first, last = _with_room(given, first, last, until_ms)
        given[first : last + 1] = _shared(given[first : last + 1], *_room(given, first, last, until_ms))
        at = last + 1
    return given


def _is_long(span: Span) -> bool:
    return span[1] - span[0] >= LEAST_MS


def _room(spans: Sequence[Span], first: int, last: int, until_ms: float) -> tuple[int, int]:
    """Whole milliseconds between the words beside those from `first` to `last`."""
    begin = spans[first - 1][1] if first else 0.0
    end = spans[last + 1][0] if last + 1 < len(spans) else until_ms
    return ceil(begin), floor(end)


def _with_room(spans: Sequence[Span], first: int, last: int, until_ms: float) -> tuple[int, int]:
    """The words that share their time: those without any, one on either side where it is scarce, more if need be."""
    wanted_ms = USUAL_MS
    while True:
        begin, end = _room(spans, first, last, until_ms)
        if end - begin >= wanted_ms * (last - first + 1) or (first == 0 and last + 1 == len(spans)):
            return first, last
        first, last, wanted_ms = max(0, first - 1), min(len(spans) - 1, last + 1), LEAST_MS


def _shared(spans: Sequence[Span], begin: int, end: int) -> list[Span]:
    """Each span with its share at least, as near to its place as the others let it be."""
    share_ms = min(USUAL_MS, (end - begin) // len(spans))
    if share_ms < LEAST_MS:
        step_ms = max(0, end - begin) / len(spans)
        return [(begin + step_ms * place, begin + step_ms * (place + 1)) for place in range(len(spans))]
    placed: list[list[float]] = []
    free = begin
    for start, stop in spans:
        start = max(round(start), free)
        free = max(round(stop), start + share_ms)
        placed.append([start, free])
    limit: float = end
    for span in reversed(placed):
        span[1] = min(span[1], limit)
        limit = span[0] = min(span[0], span[1] - share_ms)
    return [(start, stop) for start, stop in placed]
