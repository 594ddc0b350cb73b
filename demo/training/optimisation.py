"""What the trainings of the demo recogniser and of the demo aligner share: batches of like clips, the optimiser."""

import random
from collections.abc import Callable, Iterator
from typing import TypeVar

import torch
from torch import nn

BATCH_S = 48.0  # of sound, the padding to the longest clip included
MAX_BATCH_SIZE = 24
POOL_CLIPS = 400  # so many clips are sorted by length, to make batches of like ones
WARM_UP_STEPS = 50
MAX_GRADIENT_NORM = 1.0

Item = TypeVar("Item")


def batches(
    rng: random.Random, draw: Callable[[], Item], length: Callable[[Item], float], max_length: float = BATCH_S
) -> Iterator[list[Item]]:
    """Endless batches of similar length, in seconds of sound where nothing else is said."""
    while True:
        groups: list[list[Item]] = [[]]
        for item in sorted((draw() for _ in range(POOL_CLIPS)), key=length):
            if len(groups[-1]) == MAX_BATCH_SIZE or length(item) * (len(groups[-1]) + 1) > max_length:
                groups.append([])
            groups[-1].append(item)
        rng.shuffle(groups)
        yield from groups


class Optimiser:
    """AdamW with a short warm-up, a cosine to almost nothing and bounded gradients."""

    def __init__(self, parameters: list[nn.Parameter], learning_rate: float, num_steps: int) -> None:
        self._parameters = parameters
        self._adam = torch.optim.AdamW(parameters, lr=learning_rate, weight_decay=0.01, fused=True)
        self._schedule = torch.optim.lr_scheduler.SequentialLR(
            self._adam,
            [
                torch.optim.lr_scheduler.LinearLR(self._adam, 0.01, total_iters=WARM_UP_STEPS),
                torch.optim.lr_scheduler.CosineAnnealingLR(self._adam, num_steps - WARM_UP_STEPS, eta_min=1e-6),
            ],
            milestones=[WARM_UP_STEPS],
        )

    def step(self, loss: torch.Tensor) -> None:
        """One step down the gradient of `loss`."""
        self._adam.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self._parameters, MAX_GRADIENT_NORM)
        self._adam.step()
        self._schedule.step()
