"""The VAE's latents for the transformer: normalised, in patches of 2 x 2."""

import contextlib
from typing import Any

import torch
from PIL.Image import Image

from qwen_engine.image.checkpoint import ImageCheckpoint
from qwen_engine.image.frames import single_frames
from qwen_engine.image.pace import settle

PATCH = 2


def pack(latents: torch.Tensor) -> torch.Tensor:
    """(1, channels, height, width) as tokens (1, height / 2 * width / 2, channels * 4)."""
    _, channels, height, width = latents.shape
    patches = latents.view(1, channels, height // PATCH, PATCH, width // PATCH, PATCH).permute(0, 2, 4, 1, 3, 5)
    return patches.reshape(1, -1, channels * PATCH * PATCH)


def unpack(tokens: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Undo `pack`, also of several (pictures, tokens, channels * 4); `height` and `width` are the latents'."""
    patches = tokens.view(len(tokens), height // PATCH, width // PATCH, -1, PATCH, PATCH).permute(0, 3, 1, 4, 2, 5)
    return patches.reshape(len(tokens), -1, height, width)


class LatentSpace:
    """The VAE of a checkpoint, with the normalisation of its latents."""

    def __init__(self, checkpoint: ImageCheckpoint, device: str) -> None:
        self._vae = checkpoint.pipeline.vae
        self._pictures = checkpoint.pictures
        self.device = torch.device(device)
        self.dtype: torch.dtype = checkpoint.pipeline.text_encoder.dtype
        self.stride = int(checkpoint.pipeline.vae_scale_factor)
        self.channels: int = self._vae.config.z_dim
        shape = (1, self.channels, 1, 1, 1)
        self._mean = torch.tensor(self._vae.config.latents_mean).view(shape).to(self.device, self.dtype)
        self._std = torch.tensor(self._vae.config.latents_std).view(shape).to(self.device, self.dtype)
        # As the pipelines round it.
        self._scale = 1.0 / torch.tensor(self._vae.config.latents_std).view(shape).to(self.device, self.dtype)

    def encode(self, picture: Image, width: int, height: int) -> Any:
        """The distribution of the latents of `picture`, resized."""
        pixels = self._pictures.preprocess(picture, height=height, width=width).to(dtype=torch.float32)
        distribution = self._vae.encode(pixels.unsqueeze(2).to(self.device, self.dtype)).latent_dist
        settle(self.device)  # between several pictures, denoising steps go first
        return distribution

    def sample(self, distribution: Any, generator: torch.Generator) -> torch.Tensor:
        """(1, channels, height, width), normalised."""
        latents: torch.Tensor = (distribution.sample(generator) - self._mean) * self._scale
        return latents[:, :, 0]

    def mode(self, distribution: Any) -> torch.Tensor:
        """(1, channels, height, width), normalised; the pipelines divide here, and multiply where they sample."""
        latents: torch.Tensor = (distribution.mode() - self._mean) / self._std
        return latents[:, :, 0]

    def decode(self, tokens: torch.Tensor, width: int, height: int, *, exact: bool) -> list[Image]:
        """The pictures of `width` x `height` pixels from packed `tokens` (pictures, tokens, channels).

        `exact`: equal to the pipelines to the last bit, in twice the time or more.
        """
        latents = unpack(tokens, height // self.stride, width // self.stride).unsqueeze(2).to(self._vae.dtype)
        with contextlib.nullcontext() if exact else single_frames():
            pixels = self._vae.decode(latents / self._scale + self._mean, return_dict=False)[0][:, :, 0]
        pictures: list[Image] = self._pictures.postprocess(pixels, output_type="pil")
        return pictures
