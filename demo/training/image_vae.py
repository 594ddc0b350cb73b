"""Trains the picture autoencoder (AutoencoderKLQwenImage): `python -m demo.training.image_vae [RUN]`.

Run 0 starts afresh; runs 1, 2, … go on from where the last one ended, with other pictures and the rate raised anew.
From run 3 on the encoder stays as it is, so that a transformer trained on its latents keeps its meaning, and the
better decoder moves straight into the checkpoint.

Training runs causal 3-D kernels on single frames as 2-D convolutions (`qwen_engine.image.frames`).
"""

import math
import random
import shutil
import sys
import time
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKLQwenImage
from diffusers.models.autoencoders.autoencoder_kl_qwenimage import QwenImageCausalConv3d, QwenImageResidualBlock
from torch import Tensor, nn
from torch.nn import functional

from demo.training.corpus import COLOURS, SCENES, Scene, Sentence
from demo.training.manifest import CHECKPOINTS
from demo.training.pictures import SIDE_PX, draw, figure_of, random_figure
from qwen_engine.image.frames import single_frames

NUM_THREADS = 1
STEPS = 1000
WHOLE_STEPS = 200  # the last ones see whole pictures, the others crops: cheaper, and more outline a pixel
CROP_PX = 32
CROP_BATCH, WHOLE_BATCH = 16, 8
LEARNING_RATE = 2e-3  # at its peak in run 0, half of it in later runs
WARM_UP_STEPS = 100
KL_WEIGHT = 2e-4
EDGE_WEIGHT = 0.5
OUTLINE_WEIGHT = 4.0  # of pixels within two of an outline: shapes would drown in flat colour
INITIAL_LOG_VARIANCE = -6.0  # at 0 the sampled noise hides the latents for hundreds of steps
NUM_PICTURES = 6000
ANY_COLOUR_SHARE = 0.25  # of the pictures have colours outside the vocabulary: the colour space gets continuous
SAVE_EVERY_STEPS = 250
DECODER_ONLY_FROM_RUN = 3
DECODER_ONLY_BLUR = 0.12  # a transformer's latents are never as clean as the encoder's
FOLDER = Path("build/training/image_vae")
WEIGHTS = "diffusion_pytorch_model.safetensors"


def new_vae() -> AutoencoderKLQwenImage:
    """The architecture of Qwen-Image's autoencoder with a tenth of its channels, ready to learn fast."""
    vae = AutoencoderKLQwenImage(
        base_dim=8,
        z_dim=16,
        dim_mult=[1, 2, 4, 5],
        num_res_blocks=1,
        temperal_downsample=[False, True, True],
        latents_mean=[0.0] * 16,
        latents_std=[1.0] * 16,
    )
    _initialise(vae)
    return vae


@torch.no_grad()
def _initialise(vae: AutoencoderKLQwenImage) -> None:
    """Let a single frame pass at its own scale; PyTorch's defaults fade it below the biases."""
    for module in vae.modules():
        if isinstance(module, nn.Conv2d | nn.Conv3d):
            fan_in = module.in_channels * math.prod(module.kernel_size[-2:])
            nn.init.normal_(module.weight, std=fan_in**-0.5)
            nn.init.zeros_(module.bias)
    for module in vae.modules():
        if isinstance(module, QwenImageResidualBlock):  # starts as the identity
            nn.init.zeros_(module.conv2.weight)
    vae.quant_conv.bias[16:] = INITIAL_LOG_VARIANCE


def as_input(pictures: np.ndarray) -> Tensor:
    """uint8 (batch, height, width, 3) -> float32 in [-1, 1], (batch, 3, 1 frame, height, width)."""
    pixels = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1
    return pixels.contiguous(memory_format=torch.channels_last)[:, :, None]


def encode(vae: AutoencoderKLQwenImage, frames: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and log variance, each (batch, 16, 1, height / 8, width / 8). For use within `single_frames`."""
    mean, log_variance = vae.quant_conv(vae.encoder(frames)).chunk(2, dim=1)
    return mean, log_variance.clamp(-20, 10)


def decode(vae: AutoencoderKLQwenImage, latents: Tensor) -> Tensor:
    """The inverse of `encode`, not clamped. For use within `single_frames`."""
    return vae.decoder(vae.post_quant_conv(latents))


def training_scenes() -> list[Scene]:
    """The scenes on the training side of the split."""
    return [scene for scene in SCENES if not Sentence(scene.phrase(), scene.phrase()).held_out]


def training_pictures(count: int, seed: int) -> np.ndarray:
    """uint8 (count, height, width, 3)."""
    rng = random.Random(seed)
    scenes = training_scenes()
    figures = (
        random_figure(rng) if rng.random() < ANY_COLOUR_SHARE else figure_of(rng.choice(scenes), rng)
        for _ in range(count)
    )
    return np.stack([draw(figure) for figure in figures])


def batch_of(pictures: np.ndarray, step: int, order: np.random.Generator) -> Tensor:
    """Random pictures, or a random crop from the same place of each."""
    if step >= STEPS - WHOLE_STEPS:
        return as_input(pictures[order.integers(0, len(pictures), WHOLE_BATCH)])
    row, column = order.integers(0, SIDE_PX - CROP_PX + 1, 2)
    chosen = pictures[order.integers(0, len(pictures), CROP_BATCH)]
    return as_input(chosen[:, row : row + CROP_PX, column : column + CROP_PX])


def near_outline(frames: Tensor) -> Tensor:
    """Where not all of the 5×5 pixels around are alike; bool (batch, 1, 1, height, width)."""
    around = {"kernel_size": (1, 5, 5), "stride": 1, "padding": (0, 2, 2)}
    spread = functional.max_pool3d(frames, **around) + functional.max_pool3d(-frames, **around)
    return (spread > 0.05).any(dim=1, keepdim=True)


def loss_of(vae: AutoencoderKLQwenImage, frames: Tensor, blur: float = 0.0) -> tuple[Tensor, Tensor]:
    """The loss to descend and, of it, the mean absolute error of a value in [-1, 1]; `blur` adds to the noise."""
    mean, log_variance = encode(vae, frames)
    latents = mean + torch.randn_like(mean) * ((0.5 * log_variance).exp() + blur)
    error = decode(vae, latents) - frames
    divergence = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).mean()
    edges = error.diff(dim=-1).abs().mean() + error.diff(dim=-2).abs().mean()
    weighted = (error.abs() * torch.where(near_outline(frames), OUTLINE_WEIGHT, 1.0)).mean()
    return weighted + EDGE_WEIGHT * edges + KL_WEIGHT * divergence, error.detach().abs().mean()


def learning_rate(step: int, steps: int, peak: float) -> float:
    """Linear warm-up, then a cosine down to a hundredth."""
    if step < WARM_UP_STEPS:
        return peak * (step + 1) / WARM_UP_STEPS
    return peak * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * step / steps)))


def train(run: int) -> AutoencoderKLQwenImage:
    """`run` is the seed as well."""
    torch.manual_seed(run)
    vae = AutoencoderKLQwenImage.from_pretrained(FOLDER, dtype=torch.float32) if run else new_vae()
    pictures = training_pictures(NUM_PICTURES, run)
    order = np.random.default_rng(run)
    peak = LEARNING_RATE / 2 if run else LEARNING_RATE
    decoder_only = run >= DECODER_ONLY_FROM_RUN
    for part in (vae.encoder, vae.quant_conv):
        part.requires_grad_(not decoder_only)
    learning = [parameter for parameter in vae.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(learning, weight_decay=1e-4, fused=True)
    started_s = time.monotonic()
    recent: list[float] = []
    for step in range(STEPS):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, STEPS, peak)
        loss, absolute = loss_of(vae, batch_of(pictures, step, order), DECODER_ONLY_BLUR if decoder_only else 0.0)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(learning, 1.0)
        optimizer.step()
        recent.append(absolute.item())
        if (step + 1) % 50 == 0:
            print(f"step {step + 1} error {np.mean(recent[-50:]):.4f} loss {loss.item():.4f} "
                  f"{(time.monotonic() - started_s) / (step + 1):.3f} s a step", flush=True)  # fmt: skip
        if (step + 1) % SAVE_EVERY_STEPS == 0:
            if not decoder_only:
                measure_latents(vae, pictures)
            save(vae)
    return vae


@torch.no_grad()
def measure_latents(vae: AutoencoderKLQwenImage, pictures: np.ndarray) -> None:
    """Put the latents' mean and standard deviation into the config."""
    means, spreads = [], []
    for part in np.array_split(pictures[:1024], 16):
        mean, log_variance = encode(vae, as_input(part))
        means.append(mean)
        spreads.append(log_variance.exp())
    latents = torch.cat(means)
    variance = latents.var(dim=(0, 2, 3, 4)) + torch.cat(spreads).mean(dim=(0, 2, 3, 4))
    vae.register_to_config(
        latents_mean=[round(value, 4) for value in latents.mean(dim=(0, 2, 3, 4)).tolist()],
        latents_std=[round(value, 4) for value in variance.sqrt().tolist()],
    )


@torch.no_grad()
def save(vae: AutoencoderKLQwenImage) -> None:
    """Half precision on disk."""
    stored = new_vae()
    stored.load_state_dict(vae.state_dict())
    stored.register_to_config(latents_mean=vae.config.latents_mean, latents_std=vae.config.latents_std)
    _clear_unused(stored)
    stored.half().save_pretrained(FOLDER)


def _clear_unused(vae: AutoencoderKLQwenImage) -> None:
    """Zero the temporal kernel slices a single frame never meets: untrained noise helps nobody."""
    for module in vae.modules():
        if isinstance(module, QwenImageCausalConv3d):
            module.weight[:, :, :-1] = 0


@torch.no_grad()
def flat_colour_errors(vae: AutoencoderKLQwenImage) -> dict[str, float]:
    """For every colour as a background, how far (0..255) the decoded one is off in the worst channel."""
    errors = {}
    for name, rgb in COLOURS.items():
        picture = np.full((1, SIDE_PX, SIDE_PX, 3), rgb, np.uint8)
        decoded = decode(vae, encode(vae, as_input(picture))[0]).clamp(-1, 1)[0, :, 0]
        middle = (decoded[:, 8:-8, 8:-8].mean(dim=(1, 2)) + 1) * 127.5
        errors[name] = round(float((middle - torch.tensor(rgb)).abs().max()), 1)
    return errors


def main() -> None:
    torch.set_num_threads(NUM_THREADS)
    with single_frames():
        run = int(sys.argv[1]) if len(sys.argv) > 1 else 0
        vae = train(run)
        print("flat colours off by", flat_colour_errors(vae))
    if run >= DECODER_ONLY_FROM_RUN:
        _publish()


def _publish() -> None:
    """Move the weights into the checkpoint in one step."""
    place = CHECKPOINTS / "image" / "vae" / WEIGHTS
    shutil.copy(FOLDER / WEIGHTS, place.with_suffix(".fresh"))
    place.with_suffix(".fresh").replace(place)


if __name__ == "__main__":
    main()
