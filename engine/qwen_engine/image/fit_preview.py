"""Fits the preview map: `python -m qwen_engine.image.fit_preview FOLDER --pictures PICTURES`.

A preview needs no VAE: a linear map takes the 16 numbers of a latent pixel to the mean colour of its 8×8
pixels. It is fitted to the VAE of any checkpoint by least squares on the files in PICTURES (a few dozen varied ones
are enough) and saved in the checkpoint's FOLDER; its error is printed.
"""

import argparse
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKLQwenImage
from PIL import Image, UnidentifiedImageError
from safetensors.torch import save_file
from torch import Tensor

from qwen_engine.image.preview import FILE

LATENT_PX = 8  # side of a latent pixel
MAX_SIDE_PX = 512
MIN_LATENT_PIXELS = 1000  # for 17 unknowns a channel


@dataclass(frozen=True)
class PreviewFit:
    """rgb (0..1) = `weight` (3, 16) @ latent + `bias` (3,); its error on the pictures it was fitted to."""

    weight: Tensor
    bias: Tensor
    rms_error: float  # of a channel, in steps of 1/255
    explained: float  # share of the colours' variance
    num_latent_pixels: int

    def save(self, folder: Path) -> None:
        save_file({"weight": self.weight.float().contiguous(), "bias": self.bias.float()}, folder / FILE)


def fit_preview(vae: AutoencoderKLQwenImage, pictures: Iterable[Image.Image]) -> PreviewFit:
    """Least squares over all latent pixels of `pictures`.

    Raises ValueError where they have fewer than `MIN_LATENT_PIXELS`.
    """
    cut = [picture for picture in map(_fitting, pictures) if min(picture.size) > 0]
    pairs = [(latents_of(vae, picture), mean_colours(picture)) for picture in cut]
    num_latent_pixels = sum(len(latents) for latents, _ in pairs)
    if num_latent_pixels < MIN_LATENT_PIXELS:
        raise ValueError(f"{num_latent_pixels} latent pixels are too few to fit to; needed: {MIN_LATENT_PIXELS}")
    latents = torch.cat([latents for latents, _ in pairs]).double()
    colours = torch.cat([colours for _, colours in pairs]).double()
    known = torch.cat([latents, torch.ones(len(latents), 1, dtype=torch.float64)], dim=1)
    solution = torch.linalg.lstsq(known, colours).solution
    squared = (known @ solution - colours).square().mean()
    return PreviewFit(
        weight=solution[:-1].T,
        bias=solution[-1],
        rms_error=float(squared.sqrt() * 255),
        explained=float(1 - squared / colours.var(dim=0, correction=0).mean()),
        num_latent_pixels=num_latent_pixels,
    )


@torch.inference_mode()
def latents_of(vae: AutoencoderKLQwenImage, picture: Image.Image) -> Tensor:
    """The normalised latents, as in the transformer: float32 (latent pixels, 16), row by row."""
    pixels = torch.from_numpy(np.array(picture, dtype=np.float32)).permute(2, 0, 1) / 127.5 - 1
    frames = pixels[None, :, None].to(vae.device, vae.dtype)
    latents = vae.encode(frames).latent_dist.mode()[0, :, 0].float().cpu()
    centre, spread = torch.tensor(vae.config.latents_mean), torch.tensor(vae.config.latents_std)
    return (latents.flatten(1).T - centre) / spread


def mean_colours(picture: Image.Image) -> Tensor:
    """Of the pixels of each latent pixel, 0..1: float32 (latent pixels, 3)."""
    small = np.array(picture.reduce(LATENT_PX), dtype=np.float32)
    return torch.from_numpy(small).reshape(-1, 3) / 255


def _fitting(picture: Image.Image) -> Image.Image:
    """RGB, at most `MAX_SIDE_PX` a side, cut to whole latent pixels, of which the transformer takes pairs."""
    picture = picture.convert("RGB")
    picture.thumbnail((MAX_SIDE_PX, MAX_SIDE_PX))
    unit = 2 * LATENT_PX
    return picture.crop((0, 0, picture.width // unit * unit, picture.height // unit * unit))


def pictures_in(folder: Path) -> Iterator[Image.Image]:
    """Every file below `folder` that is a picture."""
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        try:
            with Image.open(file) as picture:
                yield picture
        except UnidentifiedImageError:
            continue


def main() -> None:
    parser = argparse.ArgumentParser(description="Fit the preview map.")
    parser.add_argument("folder", type=Path, help="the checkpoint's")
    parser.add_argument("--pictures", type=Path, required=True, help="folder of picture files")
    parser.add_argument("--device", default="cpu", help="torch device of the VAE")
    arguments = parser.parse_args()
    vae = AutoencoderKLQwenImage.from_pretrained(arguments.folder / "vae", torch_dtype=torch.float32)
    fit = fit_preview(vae.to(arguments.device), pictures_in(arguments.pictures))
    fit.save(arguments.folder)
    print(
        f"{arguments.folder / FILE}: a colour is off by {fit.rms_error:.1f}/255 (RMS), {fit.explained:.1%} of the "
        f"variance explained, on {fit.num_latent_pixels} latent pixels"
    )


if __name__ == "__main__":
    main()
