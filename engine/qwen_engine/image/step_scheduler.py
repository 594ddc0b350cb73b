"""The rows of the next step: round robin over shapes, first come, first served within one.

Small pictures of other shapes are added, padded, where that costs less than a step of their own.
"""

import itertools
from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, Protocol, TypeVar


class Row(Protocol):
    """Rows of an equal `key` may share a forward, which grows with their tokens; so may those of an equal `padding_key`
    (None: of nothing else's), each then padded to the longest."""

    @property
    def key(self) -> Hashable: ...

    @property
    def padding_key(self) -> Hashable | None: ...

    @property
    def num_tokens(self) -> int: ...


RowT = TypeVar("RowT", bound=Row)


class StepScheduler(Generic[RowT]):
    """Live rows. A step takes rows of one key, at most `max_tokens` of them or a single row; then rows of other
    keys, as long as there are at most `max_mixed_tokens`, padding included."""

    def __init__(self, max_tokens: int, max_mixed_tokens: int = 0) -> None:
        self._max_tokens = max_tokens
        self._max_mixed_tokens = max_mixed_tokens
        self._rows: OrderedDict[Hashable, list[RowT]] = OrderedDict()  # the next key first

    def add(self, row: RowT) -> None:
        self._rows.setdefault(row.key, []).append(row)

    def remove(self, row: RowT) -> None:
        rows = self._rows.get(row.key, [])
        if row in rows:
            rows.remove(row)
        if not rows:
            self._rows.pop(row.key, None)

    def next(self) -> list[RowT]:
        """The rows of the next step; none without live rows."""
        if not self._rows:
            return []
        key, rows = next(iter(self._rows.items()))
        self._rows.move_to_end(key)
        return self._mixed(self._first(rows))

    def _first(self, rows: list[RowT]) -> list[RowT]:
        num_tokens = 0
        for count, row in enumerate(rows):
            num_tokens += row.num_tokens
            if count and num_tokens > self._max_tokens:
                return rows[:count]
        return list(rows)

    def _mixed(self, rows: list[RowT]) -> list[RowT]:
        longest = max(row.num_tokens for row in rows)
        for row in itertools.chain.from_iterable(self._rows.values()):
            if row.key == rows[0].key or row.padding_key is None or row.padding_key != rows[0].padding_key:
                continue
            longest = max(longest, row.num_tokens)
            if (len(rows) + 1) * longest > self._max_mixed_tokens:
                break
            rows.append(row)
        return rows
