"""What the rows of a batch have read, in transformers' cache, for rows that join and leave between any two tokens."""

from collections.abc import Sequence

import torch
from torch.nn.functional import pad
from transformers import DynamicCache


class RowCache:
    """Keys and values of rows of different lengths: padded on the left, so that all go on at the same end.

    A row reads nothing of the padding, and counts positions of its own; so it goes on as if it were alone.
    """

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget all rows."""
        self.cache: DynamicCache | None = None
        self._filled = torch.empty(0, 0, dtype=torch.int64)
        self._next = torch.empty(0, dtype=torch.int64)

    def __len__(self) -> int:
        return len(self._filled)

    def join(self, read: DynamicCache, next_position: int) -> None:
        """Add the rows of `read`, all filled, which go on at `next_position`."""
        num_rows, length = read.layers[0].keys.shape[0], read.get_seq_length()
        device = read.layers[0].keys.device
        filled = torch.ones(num_rows, length, dtype=torch.int64, device=device)
        positions = torch.full((num_rows,), next_position, device=device)
        if self.cache is None:
            self.cache, self._filled, self._next = read, filled, positions
            return
        longest = max(length, self._filled.shape[1])
        for own, new in zip(self.cache.layers, read.layers, strict=True):
            own.keys = torch.cat((_padded(own.keys, longest), _padded(new.keys, longest)))
            own.values = torch.cat((_padded(own.values, longest), _padded(new.values, longest)))
        self._filled = torch.cat([pad(some, (longest - some.shape[1], 0)) for some in (self._filled, filled)])
        self._next = torch.cat((self._next, positions))

    def keep(self, rows: Sequence[int]) -> None:
        """Forget all rows but these; columns that only others filled go, too."""
        if self.cache is None or len(rows) == len(self):
            return
        if not rows:
            self.clear()
            return
        kept = torch.tensor(rows, device=self._filled.device)
        filled = self._filled[kept]
        first = int(filled.any(0).int().argmax())
        for layer in self.cache.layers:
            layer.keys, layer.values = layer.keys[kept, :, first:], layer.values[kept, :, first:]
        self._filled, self._next = filled[:, first:], self._next[kept]

    def advance(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Before every row reads one more token: the mask (rows, length + 1) and its positions (3, rows, 1)."""
        self._filled = pad(self._filled, (0, 1), value=1)
        positions = self._next[None, :, None].expand(3, -1, 1)
        self._next = self._next + 1
        return self._filled, positions


def _padded(states: torch.Tensor, length: int) -> torch.Tensor:
    """(rows, heads, positions, dimensions) with zeros in front, up to `length` positions."""
    return pad(states, (0, 0, length - states.shape[2], 0))
