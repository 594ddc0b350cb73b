"""Presence, frequency and repetition penalties: token counts of rows, on the device.

A row with penalties has a slot in two tables, of one number a token; other rows cost nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from qwen_engine.graphs import to_device
from qwen_engine.sampling import Sampling


@dataclass(frozen=True, eq=False)
class PenaltySlot:
    """One row's slot in the tables, and its penalties."""

    number: int
    sampling: Sampling


class Penalties:
    """Penalty slots for up to `num_slots` rows.

    Example:
        lane = penalties.open(sampling, prompt)
        logits = penalties.apply(logits, [0], [lane])
        penalties.count([lane], [token])
        penalties.close(lane)
    """

    def __init__(self, num_slots: int, num_tokens: int, device: torch.device) -> None:
        self._shape = num_slots, num_tokens
        self._device = device
        self._free = list(range(num_slots))
        self._written: torch.Tensor | None = None  # how often each token was generated
        self._read: torch.Tensor | None = None  # whether it was, or is in the prompt

    def open(self, sampling: Sampling, prompt: Sequence[int]) -> PenaltySlot:
        """A slot for a new row. A repetition penalty counts the prompt's tokens, too."""
        written, read = self._tables()
        slot = PenaltySlot(self._free.pop(), sampling)
        written[slot.number] = 0
        read[slot.number] = False
        read[slot.number, to_device(torch.tensor(prompt, dtype=torch.int64), self._device)] = True
        return slot

    def close(self, slot: PenaltySlot) -> None:
        """The row has ended."""
        self._free.append(slot.number)

    def count(self, slots: Sequence[PenaltySlot], tokens: Sequence[int]) -> None:
        """Each slot's row has generated one more token."""
        written, read = self._tables()
        places = to_device(torch.tensor([[slot.number for slot in slots], list(tokens)]), self._device).unbind()
        written[places] += 1
        read[places] = True

    def apply(self, logits: torch.Tensor, rows: Sequence[int], slots: Sequence[PenaltySlot]) -> torch.Tensor:
        """`logits` (rows, tokens), with the penalties of `rows` applied."""
        written, read = self._tables()
        numbers, places = to_device(torch.tensor([[slot.number for slot in slots], list(rows)]), self._device).unbind()
        samplings = [slot.sampling for slot in slots]
        own, times = logits[places], written[numbers]
        repetition = self._column([one.repetition_penalty for one in samplings])
        own = torch.where(read[numbers], torch.where(own < 0, own * repetition, own / repetition), own)
        own = own - self._column([one.frequency_penalty for one in samplings]) * times
        own = own - self._column([one.presence_penalty for one in samplings]) * (times > 0)
        return logits.index_copy(0, places, own)

    def _column(self, values: list[float]) -> torch.Tensor:
        return to_device(torch.tensor(values, dtype=torch.float32), self._device)[:, None]

    def _tables(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Allocated with the first row that needs them."""
        if self._written is None or self._read is None:
            self._written = torch.zeros(self._shape, device=self._device)
            self._read = torch.zeros(self._shape, dtype=torch.bool, device=self._device)
        return self._written, self._read
