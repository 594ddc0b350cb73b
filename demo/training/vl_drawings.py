"""Drawings of the training scenes as the vision tower takes them, in ever other light."""

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor

from demo.training.vl_model import MERGED, PATCH_PX, new_image_processor
from demo.training.vl_pictures import OTHER_SIDES_PX, PLACES, SQUARE, Example, example, scenes, worn

NUM_PICTURES = 14_000
SQUARE_SHARE = 0.6
MIDDLE_SHARE = 0.25  # of the pictures have their shape in the centre, where the image model draws it
MAX_NOISE, COLOUR_SHIFT, LIGHT = 12.0, 8.0, (0.93, 1.07)  # of 255; laid over the pictures anew each time

Sides = tuple[int, int]


@dataclass(frozen=True)
class Batch:
    """Pictures of one shape: what they show, and what the tower is given of them."""

    shown: Sequence[Example]
    patches: Tensor  # (pictures * patches, 384)
    grid: Tensor  # (pictures, 3)

    @property
    def num_tokens(self) -> int:
        """Of each picture, in the language model."""
        return len(self.patches) // len(self.shown) // MERGED**2


class Drawings:
    """Drawn once, in memory; drawn from at random."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)
        processor = new_image_processor()
        self._drawn: dict[Sides, list[Example]] = defaultdict(list)
        shown = scenes(held_out=False)
        for number in range(NUM_PICTURES):
            sides_px = SQUARE if self._rng.random() < SQUARE_SHARE else self._rng.choice(OTHER_SIDES_PX)
            place = "centre" if self._rng.random() < MIDDLE_SHARE else self._rng.choice(tuple(PLACES))
            self._drawn[sides_px].append(example(shown[number % len(shown)], place, self._rng, sides_px=sides_px))
        self._projections: dict[Sides, tuple[Tensor, Tensor]] = {}
        for sides_px, drawn in self._drawn.items():
            read = processor(images=[Image.fromarray(worn(some.pixels, self._rng)) for some in drawn],
                             return_tensors="pt")  # fmt: skip
            patches = read["pixel_values"].view(len(drawn), -1, 3, 2, PATCH_PX**2)[:, :, :, 0]
            self._projections[sides_px] = ((patches + 1) * 127.5).round().to(torch.uint8), read["image_grid_thw"][0]

    def draw(self, count: int) -> Batch:
        """`count` pictures of one shape."""
        sides_px = self._rng.choices(tuple(self._drawn), [len(some) for some in self._drawn.values()])[0]
        drawn, (patches, grid) = self._drawn[sides_px], self._projections[sides_px]
        chosen = self._rng.choices(range(len(drawn)), k=count)
        return Batch([drawn[index] for index in chosen], _as_patches(_in_other_light(patches[chosen])),
                     grid.expand(count, 3))  # fmt: skip


def _in_other_light(pixels: Tensor) -> Tensor:
    """float (pictures, patches, 3, 64), 0 to 255: brighter or darker, of other colours by a touch, noisy."""
    count = len(pixels)
    light = torch.empty(count, 1, 1, 1).uniform_(*LIGHT)
    shift = torch.empty(count, 1, 3, 1).uniform_(-COLOUR_SHIFT, COLOUR_SHIFT)
    noise = torch.randn(pixels.shape) * torch.empty(count, 1, 1, 1).uniform_(0, MAX_NOISE)
    return (pixels * light + shift + noise).clamp(0, 255)


def _as_patches(pixels: Tensor) -> Tensor:
    """(pictures * patches, 384): the same picture twice, as the frames of a still."""
    normal = pixels / 127.5 - 1
    return normal[:, :, :, None].expand(-1, -1, -1, 2, -1).flatten(2).flatten(0, 1)
