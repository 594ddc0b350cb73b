"""The rows of a continuous batch."""

from collections.abc import Callable
from typing import Protocol, TypeVar


class SlotRow(Protocol):
    positions: int
    """How many positions of its slot are filled."""


RowT = TypeVar("RowT", bound=SlotRow)


class RowTable(list[RowT]):
    """The live rows; each one's slot of the KV cache is its index. `move(source, target, length)` copies a slot."""

    def __init__(self, move: Callable[[int, int, int], None]) -> None:
        super().__init__()
        self._move = move

    def remove(self, row: RowT) -> None:
        """Free the slot of `row`; the last row takes its place."""
        index, last = self.index(row), self.pop()
        if last is not row:
            self._move(len(self), index, last.positions)
            self[index] = last
