"""The token step of a language model as CUDA graphs.

There is a graph for each number of rows (a bucket) and each length of the cache that is read. Rows without a
request are computed too: they write to free slots, which the next prompt overwrites. Prompts, and batches with a row
that samples or has a mask, run without graphs.
"""

from collections.abc import Sequence
from functools import partial

import torch

from qwen_engine.decoder import SlotCache
from qwen_engine.graphs import Capture, bucket, bucket_sizes, to_device
from qwen_engine.language_model import Change, LanguageModel
from qwen_engine.sampling import RowSampler, Sampling

SHORTEST_LENGTH = 256
GREEDY = Sampling(temperature=0.0)


class GraphedLanguageModel:
    """A `LanguageModel` whose greedy steps come from graphs.

    Example:
        model = GraphedLanguageModel(model, num_slots=16, capture=CudaCapture(model.device))
    """

    def __init__(self, model: LanguageModel, *, num_slots: int, capture: Capture) -> None:
        self._model = model
        self.device, self.length, self.num_tokens = model.device, model.length, model.num_tokens
        self._buckets = bucket_sizes(1, num_slots)
        self._lengths = bucket_sizes(SHORTEST_LENGTH, model.length)
        with torch.inference_mode():
            self._positions = torch.zeros(num_slots, dtype=torch.int64, device=self.device)
            self._uniforms = torch.zeros(num_slots, device=self.device)
            self._drawn = torch.zeros(num_slots, dtype=torch.int64, device=self.device)
            self._greedy = model.sampler([GREEDY] * num_slots)
            self._advances = {
                (rows, length): capture(partial(self._advance, rows, length))
                for rows in self._buckets
                for length in self._lengths
            }
            self._draws = {rows: capture(partial(self._draw, rows)) for rows in self._buckets}

    @property
    def cache(self) -> SlotCache:
        """As `LanguageModel.cache`."""
        return self._model.cache

    def embed(self, ids: Sequence[int]) -> torch.Tensor:
        """As `LanguageModel.embed`."""
        return self._model.embed(ids)

    def sampler(self, rows: Sequence[Sampling]) -> RowSampler:
        """As `LanguageModel.sampler`; for greedy rows only it is that of the graphs."""
        return self._model.sampler(rows) if not all(row.is_greedy for row in rows) else self._greedy

    def prefill(self, prompts: Sequence[torch.Tensor], first_row: int, start: int = 0) -> None:
        """As `LanguageModel.prefill`."""
        self._model.prefill(prompts, first_row, start)

    def advance(self, positions: Sequence[int], first_row: int = 0) -> None:
        """As `LanguageModel.advance`."""
        if first_row:
            self._model.advance(positions, first_row)
            return
        # Idle rows write at the last position, which no prompt reaches: one of them may be prefilled in parts.
        idle = [self.length - 1] * (len(self._positions) - len(positions))
        self._positions.copy_(to_device(torch.tensor([*positions, *idle]), self.device))
        self._advances[bucket(self._buckets, len(positions)), bucket(self._lengths, max(positions) + 1)]()

    def draw(
        self, sampler: RowSampler, uniforms: torch.Tensor, first_row: int = 0, change: Change | None = None
    ) -> torch.Tensor:
        """As `LanguageModel.draw`; valid until the next call."""
        if first_row or change is not None or sampler is not self._greedy:
            return self._model.draw(sampler, uniforms, first_row, change)
        self._draws[bucket(self._buckets, len(uniforms))]()
        return self._drawn[: len(uniforms)]

    def move(self, source: int, target: int, length: int) -> None:
        """As `LanguageModel.move`."""
        self._model.move(source, target, length)

    def _advance(self, num_rows: int, length: int) -> None:
        self._model.step(self._positions[:num_rows], length)

    def _draw(self, num_rows: int) -> None:
        self._drawn[:num_rows] = self._model.draw(self._greedy, self._uniforms[:num_rows])
