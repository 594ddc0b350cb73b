"""Repair of timestamps: the aligner classifies each mark on its own; here they become monotonic."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import pairwise

SHORT_RUN = 2  # up to so many marks in a row take a neighbour's time; more are interpolated


def monotonic(times_ms: Sequence[int]) -> list[int]:
    """`times_ms` with those that are out of order replaced, so that none is before the one in front of it.

    The marks of `longest_monotonic` stay; the others are filled in from these. O(n log n), with the result of the
    official repair in O(n²).
    """
    if not times_ms:
        return []
    good = longest_monotonic(times_ms)
    first, last = good[0], good[-1]
    repaired = list(times_ms)
    repaired[:first] = [times_ms[first]] * first
    repaired[last + 1 :] = [times_ms[last]] * (len(times_ms) - last - 1)
    for left, right in pairwise(good):
        repaired[left + 1 : right] = _between(times_ms[left], times_ms[right], right - left - 1)
    return repaired


def longest_monotonic(times_ms: Sequence[int]) -> list[int]:
    """Indices of a longest subsequence that never falls.

    Of several, the one that ends first is taken, and before each of its members the earliest that can be.
    """
    # Layer n holds the indices at which the longest subsequence has n + 1 members. Within a layer times fall (the later
    # of two would else continue the earlier one), so the earliest member that may go before a time is found by halving.
    layers: list[list[int]] = []
    falling: list[list[int]] = []  # each layer's times, negated: bisect wants them to rise
    lowest: list[int] = []  # the last time of each layer: from layer to layer these never fall
    before: list[int] = []
    for index, time_ms in enumerate(times_ms):
        depth = bisect_right(lowest, time_ms)
        if depth == len(layers):
            layers.append([])
            falling.append([])
            lowest.append(time_ms)
        before.append(layers[depth - 1][bisect_left(falling[depth - 1], -time_ms)] if depth else -1)
        layers[depth].append(index)
        falling[depth].append(-time_ms)
        lowest[depth] = time_ms
    found: list[int] = []
    index = layers[-1][0] if layers else -1
    while index >= 0:
        found.append(index)
        index = before[index]
    return found[::-1]


def _between(left_ms: int, right_ms: int, count: int) -> list[int]:
    """Times of `count` marks between two good ones."""
    if count <= SHORT_RUN:
        return [left_ms if place < count - place else right_ms for place in range(count)]
    step_ms = (right_ms - left_ms) / (count + 1)
    return [int(left_ms + step_ms * (place + 1)) for place in range(count)]
