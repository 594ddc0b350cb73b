"""One picture under way: noise that turns into a picture, step by step."""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from PIL import Image

Shape = tuple[int, int, int]  # frames, height and width in tokens
MAX_DECODED_PIXELS = 256 * 256  # of a picture in company: larger ones would take much memory together


class DenoisingKey(NamedTuple):
    """Canvases that agree in it may share a forward: same checkpoint, same LoRA, same sizes of all pictures."""

    edits: bool
    lora: str | None
    shapes: tuple[Shape, ...]

    @property
    def mixture(self) -> Hashable | None:
        """Canvases that agree in it may share a forward even so, padded to one size; None: never."""
        return None if self.edits else ("drawn", self.lora)


@dataclass(frozen=True, eq=False)
class Mask:
    """Where a picture changes: `tokens` (1, tokens, channels) are 1 there, `stencil` (mode L) is white there."""

    tokens: torch.Tensor
    stencil: Image.Image
    picture: Image.Image

    def cover(self, drawn: Image.Image) -> Image.Image:
        """What was drawn within the mask; around it the given picture, to the last bit."""
        return Image.composite(drawn, self.picture, self.stencil)


@dataclass(frozen=True, eq=False)
class KeptPixels:
    """What stays outside a mask: `original` and `noise` (1, tokens, channels) of the given picture."""

    mask: Mask
    original: torch.Tensor
    noise: torch.Tensor

    def put_back(self, latents: torch.Tensor, original: torch.Tensor) -> torch.Tensor:
        return (1 - self.mask.tokens) * original + self.mask.tokens * latents


@dataclass(eq=False)
class DenoisingState:
    """`width` x `height` pixels. `latents` (1, tokens, channels), `prompt` and `negative` (1, tokens, hidden).

    `references` (1, tokens, channels) are pictures that the transformer sees beside the latents; the key's shapes are
    the latents', then theirs. The `scheduler` is this canvas's own; `timesteps` (steps,) are the ones it goes through.
    `alone`: no step of it was taken together with others, so it is the pipelines' to the last bit.
    """

    key: DenoisingKey
    width: int
    height: int
    latents: torch.Tensor
    scheduler: FlowMatchEulerDiscreteScheduler
    timesteps: torch.Tensor
    prompt: torch.Tensor
    negative: torch.Tensor | None
    true_cfg_scale: float
    references: torch.Tensor | None = None
    kept: KeptPixels | None = None
    step: int = 0
    alone: bool = True

    @property
    def steps(self) -> int:
        return len(self.timesteps)

    @property
    def done(self) -> bool:
        return self.step == self.steps

    @property
    def decode_key(self) -> Hashable | None:
        """Canvases that agree in it may be decoded together; None: never."""
        is_small = self.width * self.height <= MAX_DECODED_PIXELS
        return None if self.alone or not is_small else (self.key.edits, self.width, self.height)

    @property
    def timestep(self) -> torch.Tensor:
        return self.timesteps[self.step]

    @property
    def tokens(self) -> torch.Tensor:
        """What the transformer sees: latents, then references."""
        return self.latents if self.references is None else torch.cat([self.latents, self.references], dim=1)

    @property
    def num_tokens(self) -> int:
        """What a step of it costs, the row for the negative prompt included."""
        pictures = sum(frames * height * width for frames, height, width in self.key.shapes)
        return sum(pictures + text.shape[1] for text in (self.prompt, self.negative) if text is not None)

    def advance(self, velocity: torch.Tensor) -> None:
        """One step along `velocity` (1, tokens, channels). The scheduler itself rounds as in the pipelines."""
        self.latents = self.scheduler.step(velocity, self.timestep, self.latents, return_dict=False)[0]
        self.step += 1
        if self.kept is not None:
            original = self.kept.original
            if not self.done:
                original = self.scheduler.scale_noise(original, self.timestep[None], self.kept.noise)
            self.latents = self.kept.put_back(self.latents, original)

    def estimate(self, velocity: torch.Tensor) -> torch.Tensor:
        """The finished latents, as they look from here: (1, tokens, channels)."""
        sigma = self.timestep / self.scheduler.config.num_train_timesteps
        finished = self.latents.float() - sigma * velocity.float()
        return finished if self.kept is None else self.kept.put_back(finished, self.kept.original)
