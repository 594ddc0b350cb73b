"""A Qwen3 language model for a continuous batch: the live rows are the first slots of its cache (see `RowTable`)."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import torch
from torch.nn.functional import embedding, linear

from qwen_engine.decoder import Decoder, DecoderConfig, SlotCache
from qwen_engine.graphs import to_device
from qwen_engine.sampling import RowSampler, Sampling
from qwen_engine.weights import Weights

Change: TypeAlias = Callable[[torch.Tensor], torch.Tensor]

MAX_PADDED = 512  # positions in all: up to here, one padded prefill is as fast as several
MIN_FILLED = 0.7


class LanguageModel:
    """Rows of a Qwen3 decoder: `prefill` starts some, `draw` gives each its next token, `advance` reads it.

    `below`: the prefix of its weights' names, but for the head's.
    """

    def __init__(self, config: DecoderConfig, weights: Weights, *, below: str, num_slots: int, length: int) -> None:
        stack = weights.below(below)
        self._embeddings = stack.take("embed_tokens.weight")
        self._head = weights.take("lm_head.weight") if "lm_head.weight" in weights else self._embeddings
        self._decoder = Decoder(config, stack, num_slots=num_slots, length=length)
        self.length = length
        self.num_tokens = len(self._head)
        self.device = self._head.device
        self._hidden = self._head.new_zeros(num_slots, config.hidden_size)
        self._tokens = torch.zeros(num_slots, dtype=torch.int64, device=self.device)

    @property
    def cache(self) -> SlotCache:
        """Keys and values of the rows, a slot each."""
        return self._decoder.cache

    def embed(self, ids: Sequence[int]) -> torch.Tensor:
        """(len(ids), hidden)."""
        return embedding(to_device(torch.tensor(ids, dtype=torch.int64), self.device), self._embeddings)

    def sampler(self, rows: Sequence[Sampling]) -> RowSampler:
        """What `draw` needs of each row's sampling."""
        return RowSampler(rows, self.num_tokens, self.device)

    def prefill(self, prompts: Sequence[torch.Tensor], first_row: int, start: int = 0) -> None:
        """Start rows `first_row`, … with `prompts`, each (positions, hidden), which follow `start` positions that the
        cache holds."""
        first = 0
        for end in group_ends([len(prompt) for prompt in prompts]):
            rows = slice(first_row + first, first_row + end)
            self._hidden[rows] = self._decoder.prefill(prompts[first:end], rows.start, start)
            first = end

    def advance(self, positions: Sequence[int], first_row: int = 0) -> None:
        """Have the rows from `first_row` on read their last tokens, each at its position of `positions`."""
        self.step(to_device(torch.tensor(positions), self.device), max(positions) + 1, first_row)

    def step(self, positions: torch.Tensor, length: int, first_row: int = 0) -> None:
        """`advance` for positions (rows,) on the device, all below `length`."""
        rows = slice(first_row, first_row + len(positions))
        hidden = embedding(self._tokens[rows], self._embeddings)
        self._hidden[rows] = self._decoder.step(hidden[:, None], positions, length, first_row)[:, 0]

    def draw(
        self, sampler: RowSampler, uniforms: torch.Tensor, first_row: int = 0, change: Change | None = None
    ) -> torch.Tensor:
        """The next tokens (rows,) of the rows from `first_row` on; uniforms (rows,). `change` edits their logits (rows,
        tokens) first."""
        rows = slice(first_row, first_row + len(uniforms))
        logits = linear(self._hidden[rows], self._head).float()
        tokens = sampler.draw(logits if change is None else change(logits), uniforms)
        self._tokens[rows] = tokens
        return tokens

    def move(self, source: int, target: int, length: int) -> None:
        """Copy the row `source`, `length` positions long, over `target`."""
        self.cache.move(source, target, length)
        self._hidden[target] = self._hidden[source]
        self._tokens[target] = self._tokens[source]


def group_ends(lengths: Sequence[int]) -> list[int]:
    """Where to cut prompts of `lengths` so that those prefilled together waste little on padding.

    Best for sorted lengths: the order stays.
    """
    ends = []
    start = 0
    for end in range(1, len(lengths) + 1):
        room = max(lengths[start:end]) * (end - start)
        if end - start > 1 and room > MAX_PADDED and sum(lengths[start:end]) < MIN_FILLED * room:
            ends.append(end - 1)
            start = end - 1
    return [*ends, len(lengths)]
