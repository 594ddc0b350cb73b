"""Token masks on the logits of rows."""

from collections.abc import Sequence

import numpy as np
import torch

from qwen_engine.graphs import to_device

BITS = 32


def only(token: int, num_words: int) -> np.ndarray:
    """(words,) int32 that allow one token."""
    words = np.zeros(num_words, dtype=np.uint32)
    words[token // BITS] = 1 << token % BITS
    return words.view(np.int32)


class Masks:
    """Applies token masks to logits."""

    def __init__(self, num_tokens: int, device: torch.device) -> None:
        self._num_tokens = num_tokens
        self._device = device
        self._bits = torch.arange(BITS, dtype=torch.int32, device=device)
        self.num_words = -(-num_tokens // BITS)

    def allow(self, logits: torch.Tensor, rows: Sequence[int], words: Sequence[np.ndarray]) -> torch.Tensor:
        """`logits` (rows, tokens) with only the tokens allowed by `words`, (words,) int32 each, left in `rows`."""
        allowed = to_device(torch.from_numpy(np.stack(words)), self._device)[..., None] >> self._bits & 1
        allowed = allowed.flatten(1)[:, : self._num_tokens].bool()
        places = to_device(torch.tensor(rows), self._device)
        return logits.index_copy(0, places, logits[places].masked_fill(~allowed, -torch.inf))

    def forbid(self, logits: torch.Tensor, places: Sequence[tuple[int, int]]) -> torch.Tensor:
        """`logits` (rows, tokens) without `places`: row and token each."""
        rows, tokens = to_device(torch.tensor(places), self._device).unbind(1)
        return logits.index_put((rows, tokens), logits.new_tensor(-torch.inf))
