"""The denoising state of one picture."""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from PIL import Image

Shape = tuple[int, int, int]  # frames, height and width in tokens
Size = tuple[int, int]  # width and height
Area = tuple[int, int, int, int]  # left, top, right, bottom
MAX_DECODED_PIXELS = 256 * 256  # of pictures decoded together: larger ones would take much memory


class DenoisingKey(NamedTuple):
    """States of one key may share a forward: same checkpoint, same LoRA, same sizes of all pictures."""

    edits: bool
    lora: str | None
    shapes: tuple[Shape, ...]

    @property
    def padding_key(self) -> Hashable | None:
        """States of one padding key may share a forward, padded to one size; None: never."""
        return None if self.edits else ("drawn", self.lora)


@dataclass(frozen=True, eq=False)
class Mask:
    """Where a picture changes: `tokens` (1, tokens, channels) are 1 there, `stencil` (mode L) is white there.

    `stencil` and `picture` (RGB, or RGBA where it has transparency) are as large as the result.
    """

    tokens: torch.Tensor
    stencil: Image.Image
    picture: Image.Image

    def composite(self, drawn: Image.Image) -> Image.Image:
        """`drawn` within the mask, scaled to the input picture; around it the latter, to the last bit."""
        area = self.stencil.getbbox()
        result = self.picture.copy()
        if area is not None:
            part = _scaled_part(drawn, self.picture.size, area).convert(result.mode)
            result.paste(part, area, self.stencil.crop(area))
        return _without_needless_transparency(result)


def _scaled_part(picture: Image.Image, size: Size, area: Area) -> Image.Image:
    """The `area` of `picture` scaled to `size`; the rest of a large picture is not computed."""
    if picture.size == size:
        return picture.crop(area)
    across, down = picture.width / size[0], picture.height / size[1]
    left, top, right, bottom = area
    box = (left * across, top * down, right * across, bottom * down)
    return picture.resize((right - left, bottom - top), Image.Resampling.LANCZOS, box)


def _without_needless_transparency(picture: Image.Image) -> Image.Image:
    is_opaque = picture.mode == "RGBA" and picture.getchannel("A").getextrema() == (255, 255)
    return picture.convert("RGB") if is_opaque else picture


@dataclass(frozen=True, eq=False)
class PreservedPixels:
    """The region outside a mask: `original` and `noise` (1, tokens, channels) of the input picture."""

    mask: Mask
    original: torch.Tensor
    noise: torch.Tensor

    def restore(self, latents: torch.Tensor, original: torch.Tensor) -> torch.Tensor:
        return (1 - self.mask.tokens) * original + self.mask.tokens * latents


@dataclass(eq=False)
class DenoisingState:
    """`width` x `height` pixels. `latents` (1, tokens, channels), `prompt` and `negative` (1, tokens, hidden).

    `references` (1, tokens, channels) are pictures beside the latents in the transformer's input; the key's shapes are
    the latents', then theirs. The `scheduler` is this state's own, as are its `timesteps` (steps,).
    `alone`: no step was shared, so it equals the pipelines' to the last bit.
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
    preserved: PreservedPixels | None = None
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
        """States of one decode key may be decoded together; None: never."""
        is_small = self.width * self.height <= MAX_DECODED_PIXELS
        return None if self.alone or not is_small else (self.key.edits, self.width, self.height)

    @property
    def timestep(self) -> torch.Tensor:
        return self.timesteps[self.step]

    @property
    def tokens(self) -> torch.Tensor:
        """The transformer's input: latents, then references."""
        return self.latents if self.references is None else torch.cat([self.latents, self.references], dim=1)

    @property
    def num_tokens(self) -> int:
        """The tokens of a step, with the row for the negative prompt."""
        pictures = sum(frames * height * width for frames, height, width in self.key.shapes)
        return sum(pictures + text.shape[1] for text in (self.prompt, self.negative) if text is not None)

    def advance(self, velocity: torch.Tensor) -> None:
        """One step along `velocity` (1, tokens, channels). The scheduler rounds as in the pipelines."""
        self.latents = self.scheduler.step(velocity, self.timestep, self.latents, return_dict=False)[0]
        self.step += 1
        if self.preserved is not None:
            original = self.preserved.original
            if not self.done:
                original = self.scheduler.scale_noise(original, self.timestep[None], self.preserved.noise)
            self.latents = self.preserved.restore(self.latents, original)

    def estimate(self, velocity: torch.Tensor) -> torch.Tensor:
        """The estimate of the finished latents: (1, tokens, channels)."""
        sigma = self.timestep / self.scheduler.config.num_train_timesteps
        finished = self.latents.float() - sigma * velocity.float()
        return finished if self.preserved is None else self.preserved.restore(finished, self.preserved.original)
