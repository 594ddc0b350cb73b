"""Who steps next: the shapes take turns, and within a shape those that came first step together."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, Protocol, TypeVar


class Row(Protocol):
    """Rows of an equal `key` may share a forward, which grows with their tokens."""

    @property
    def key(self) -> Hashable: ...

    @property
    def num_tokens(self) -> int: ...


RowT = TypeVar("RowT", bound=Row)


class Turns(Generic[RowT]):
    """Rows under way. A step takes rows of one key, at most `max_tokens` of them or a single row."""

    def __init__(self, max_tokens: int) -> None:
        self._max_tokens = max_tokens
        self._rows: OrderedDict[Hashable, list[RowT]] = OrderedDict()  # the key whose turn is next comes first

    def add(self, row: RowT) -> None:
        self._rows.setdefault(row.key, []).append(row)

    def remove(self, row: RowT) -> None:
        rows = self._rows.get(row.key, [])
        if row in rows:
            rows.remove(row)
        if not rows:
            self._rows.pop(row.key, None)

    def next(self) -> list[RowT]:
        """The rows of the next step; none where nothing is under way."""
        if not self._rows:
            return []
        key, rows = next(iter(self._rows.items()))
        self._rows.move_to_end(key)
        num_tokens = 0
        for count, row in enumerate(rows):
            num_tokens += row.num_tokens
            if count and num_tokens > self._max_tokens:
                return rows[:count]
        return list(rows)
