"""The KV cache of a continuous batch on transformers' `DynamicCache`: rows join and leave between any two tokens."""

from collections.abc import Sequence

import torch
from torch.nn.functional import pad
from transformers import DynamicCache


class RowCache:
    """Keys and values of rows of different lengths: padded on the left, so that all end at the same column.

    The padding is masked and rows have positions of their own, so a row does not depend on the others.
    """

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Drop all rows."""
        self.cache: DynamicCache | None = None
        self._filled = torch.empty(0, 0, dtype=torch.int64)
        self._next = torch.empty(0, dtype=torch.int64)

    def __len__(self) -> int:
        return len(self._filled)

    def join(self, new_rows: DynamicCache, next_position: int) -> None:
        """Add `new_rows`, without padding, which continue at `next_position`."""
        num_rows, length = new_rows.layers[0].keys.shape[0], new_rows.get_seq_length()
        device = new_rows.layers[0].keys.device
        filled = torch.ones(num_rows, length, dtype=torch.int64, device=device)
        positions = torch.full((num_rows,), next_position, device=device)
        if self.cache is None:
            self.cache, self._filled, self._next = new_rows, filled, positions
            return
        longest = max(length, self._filled.shape[1])
        for own, new in zip(self.cache.layers, new_rows.layers, strict=True):
            own.keys = torch.cat((_padded(own.keys, longest), _padded(new.keys, longest)))
            own.values = torch.cat((_padded(own.values, longest), _padded(new.values, longest)))
        self._filled = torch.cat([pad(some, (longest - some.shape[1], 0)) for some in (self._filled, filled)])
        self._next = torch.cat((self._next, positions))

    def select(self, rows: Sequence[int]) -> None:
        """Drop all rows but these, and the columns that only others filled."""
        if self.cache is None or len(rows) == len(self):
            return
        if not rows:
            self.clear()
            return
        index = torch.tensor(rows, device=self._filled.device)
        filled = self._filled[index]
        first = int(filled.any(0).int().argmax())
        for layer in self.cache.layers:
            layer.keys, layer.values = layer.keys[index, :, first:], layer.values[index, :, first:]
        self._filled, self._next = filled[:, first:], self._next[index]

    def advance(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Mask (rows, length + 1) and positions (3, rows, 1) of one more token in every row."""
        self._filled = pad(self._filled, (0, 1), value=1)
        positions = self._next[None, :, None].expand(3, -1, 1)
        self._next = self._next + 1
        return self._filled, positions


def _padded(states: torch.Tensor, length: int) -> torch.Tensor:
    """(rows, heads, positions, dimensions) with zeros in front, up to `length` positions."""
    return pad(states, (0, 0, length - states.shape[2], 0))
