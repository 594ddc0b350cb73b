"""Drawing tokens for a batch whose rows each have settings and a seed of their own.

A row's draw depends on its logits and on its own uniform number only, so a seed gives the same tokens alone or in a
crowd. The order of the filters is that of transformers: penalty, suppressed tokens, temperature, top-k, top-p.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

UNIFORMS_AT_ONCE = 64
LEAST_TEMPERATURE = 1e-5  # below it logits would exceed the range of float32


@dataclass(frozen=True)
class Sampling:
    """`temperature` 0 is greedy; `top_k` 0 and `top_p` 1 leave all tokens in; `repetition_penalty` 1 is none.

    `presence_penalty` is taken off the logit of each token that was written, `frequency_penalty` each time it was.
    """

    temperature: float = 0.9
    top_k: int = 50
    top_p: float = 1.0
    repetition_penalty: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0

    @property
    def is_greedy(self) -> bool:
        """Whether only the likeliest token is left to draw."""
        return self.temperature < LEAST_TEMPERATURE or self.top_p <= 0 or self.top_k == 1

    @property
    def penalises(self) -> bool:
        """Whether what was read or written makes any difference."""
        return bool(self.presence_penalty or self.frequency_penalty) or self.repetition_penalty != 1


class Uniforms:
    """The random numbers of one request, `width` a step, from its seed."""

    def __init__(self, seed: int, width: int) -> None:
        self._generator = np.random.Generator(np.random.Philox(seed))
        self._width = width
        self._block = np.empty((0, width), dtype=np.float32)
        self._next = 0

    def next(self) -> np.ndarray:
        """(width,) float32 in [0, 1)."""
        if self._next == len(self._block):
            self._block = self._generator.random((UNIFORMS_AT_ONCE, self._width), dtype=np.float32)
            self._next = 0
        self._next += 1
        return self._block[self._next - 1]


class RowSampler:
    """The settings of all rows as tensors; made anew whenever the rows change."""

    def __init__(self, rows: Sequence[Sampling], num_tokens: int, device: torch.device) -> None:
        greedy = np.array([row.is_greedy for row in rows])
        top_k = np.array([min(row.top_k, num_tokens) if row.top_k else num_tokens for row in rows])
        self._all_greedy = bool(greedy.all())
        self._num_kept = 1 if self._all_greedy else int(top_k[~greedy].max())
        self._any_top_p = any(row.top_p < 1 for row in rows)
        self._any_penalty = any(row.repetition_penalty != 1 for row in rows)
        self._greedy = torch.from_numpy(greedy).to(device)
        self._top_k = torch.from_numpy(top_k).to(device)[:, None]
        self._ranks = torch.arange(self._num_kept, device=device)

        def column(values: list[float]) -> torch.Tensor:
            return torch.tensor(values, dtype=torch.float32, device=device)[:, None]

        self._temperature = column([1.0 if row.is_greedy else row.temperature for row in rows])
        self._top_p = column([row.top_p for row in rows])
        self._penalty = column([row.repetition_penalty for row in rows])

    def penalise(self, logits: torch.Tensor, seen: torch.Tensor) -> torch.Tensor:
        """Make the tokens marked in `seen` (rows, tokens) less likely, as each row's penalty says."""
        if not self._any_penalty:
            return logits
        penalised = torch.where(logits < 0, logits * self._penalty, logits / self._penalty)
        return torch.where(seen, penalised, logits)

    def draw(self, logits: torch.Tensor, uniforms: torch.Tensor) -> torch.Tensor:
        """A token of each row: `logits` (rows, tokens) float32, `uniforms` (rows,) in [0, 1) -> (rows,) int64."""
        best = logits.argmax(-1)
        if self._all_greedy:
            return best
        kept, tokens = (logits / self._temperature).topk(self._num_kept)
        kept = kept.masked_fill(self._ranks >= self._top_k, -torch.inf)
        shares = kept.softmax(-1)
        if self._any_top_p:
            before = shares.cumsum(-1) - shares
            shares = shares.masked_fill(before >= self._top_p, 0.0)
        sums = shares.cumsum(-1)
        chosen = (sums <= uniforms[:, None] * sums[:, -1:]).sum(-1, keepdim=True)
        drawn = tokens.gather(1, chosen.clamp(max=self._num_kept - 1)).squeeze(1)
        return torch.where(self._greedy, best, drawn)
