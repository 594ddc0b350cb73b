"""Previews of latents by a linear map that is fitted to the VAE, in place of its decoder."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file

FILE = "preview.safetensors"  # qwen_engine.image.fit_preview makes it


class PreviewMap:
    """`weight` (3, channels) and `bias` (3,): normalised latents to red, green and blue in 0 to 1."""

    def __init__(self, folder: Path, device: str) -> None:
        tensors = load_file(folder / FILE, device=device)
        self._weight = tensors["weight"].float()
        self._bias = tensors["bias"].float()

    def picture(self, latents: torch.Tensor) -> Image.Image:
        """A pixel for each of the `latents` (1, channels, height, width)."""
        colours = torch.einsum("rc,chw->hwr", self._weight, latents[0].float()) + self._bias
        return Image.fromarray((colours.clamp(0, 1) * 255).round().cpu().numpy().astype(np.uint8))


def load_preview_map(folder: Path, device: str) -> PreviewMap | None:
    """The checkpoint's; None where it has none."""
    return PreviewMap(folder, device) if (folder / FILE).is_file() else None
