"""What is drawn: eight pictures at once, of two sizes and of few or many steps."""

import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass

from demo.training.corpus import scene_sentence, sentences

SIDES_PX = (64, 96)
STEPS = (4, 20, 50, 50)  # for each size: half of all want the best quality, and those can share a static batch
FEWEST_STEPS, MOST_STEPS = min(STEPS), max(STEPS)
AT_ONCE = len(SIDES_PX) * len(STEPS)
SEED = 5


@dataclass(frozen=True)
class PictureRequest:
    """A square picture."""

    prompt: str
    side_px: int
    steps: int
    seed: int


def request_mixes(count: int) -> list[list[PictureRequest]]:
    """`count` times eight pictures, each time in another order and of prompts that were not drawn before: so that no
    cache helps."""
    prompts = iter(sentences(count * AT_ONCE, seed=SEED, held_out=True, draw=scene_sentence))
    return [_request_mix([next(prompts).text for _ in range(AT_ONCE)], number) for number in range(count)]


def _request_mix(prompts: Sequence[str], number: int) -> list[PictureRequest]:
    settings = list(itertools.product(SIDES_PX, STEPS))
    random.Random(number).shuffle(settings)
    seeds = itertools.count(number * AT_ONCE)
    return [
        PictureRequest(prompt, side_px, steps, seed)
        for prompt, (side_px, steps), seed in zip(prompts, settings, seeds, strict=False)
    ]
