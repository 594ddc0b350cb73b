"""Presence, frequency and repetition penalties: what rows have read and written, counted on the device.

A row that asks for none costs nothing. One that does has a lane: two rows of a table, of one number a token.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from qwen_engine.graphs import to_device
from qwen_engine.sampling import Sampling


@dataclass(frozen=True, eq=False)
class Lane:
    """The place of one row in the tables, and what it wishes."""

    number: int
    sampling: Sampling


class Penalties:
    """Lanes of up to `num_lanes` rows.

    Example:
        lane = penalties.open(sampling, prompt)
        logits = penalties.apply(logits, [0], [lane])
        penalties.count([lane], [token])
        penalties.close(lane)
    """

    def __init__(self, num_lanes: int, num_tokens: int, device: torch.device) -> None:
        self._shape = num_lanes, num_tokens
        self._device = device
        self._free = list(range(num_lanes))
        self._written: torch.Tensor | None = None  # how often each token was
        self._read: torch.Tensor | None = None  # whether it was, or stands in the prompt

    def open(self, sampling: Sampling, prompt: Sequence[int]) -> Lane:
        """For a row that begins. A repetition penalty is for what the prompt has, too."""
        written, read = self._tables()
        lane = Lane(self._free.pop(), sampling)
        written[lane.number] = 0
        read[lane.number] = False
        read[lane.number, to_device(torch.tensor(prompt, dtype=torch.int64), self._device)] = True
        return lane

    def close(self, lane: Lane) -> None:
        """The row has ended."""
        self._free.append(lane.number)

    def count(self, lanes: Sequence[Lane], tokens: Sequence[int]) -> None:
        """Each lane's row has written one more token."""
        written, read = self._tables()
        places = to_device(torch.tensor([[lane.number for lane in lanes], list(tokens)]), self._device).unbind()
        written[places] += 1
        read[places] = True

    def apply(self, logits: torch.Tensor, rows: Sequence[int], lanes: Sequence[Lane]) -> torch.Tensor:
        """`logits` (rows, tokens), where those of `rows` are as their lanes wish."""
        written, read = self._tables()
        numbers, places = to_device(torch.tensor([[lane.number for lane in lanes], list(rows)]), self._device).unbind()
        wishes = [lane.sampling for lane in lanes]
        own, times = logits[places], written[numbers]
        repetition = self._column([one.repetition_penalty for one in wishes])
        own = torch.where(read[numbers], torch.where(own < 0, own * repetition, own / repetition), own)
        own = own - self._column([one.frequency_penalty for one in wishes]) * times
        own = own - self._column([one.presence_penalty for one in wishes]) * (times > 0)
        return logits.index_copy(0, places, own)

    def _column(self, values: list[float]) -> torch.Tensor:
        return to_device(torch.tensor(values, dtype=torch.float32), self._device)[:, None]

    def _tables(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Made with the first row that needs them."""
        if self._written is None or self._read is None:
            self._written = torch.zeros(self._shape, device=self._device)
            self._read = torch.zeros(self._shape, dtype=torch.bool, device=self._device)
        return self._written, self._read
