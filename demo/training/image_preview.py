"""Fits the preview map of the picture checkpoint to drawn scenes: `python -m demo.training.image_preview`."""

import torch
from diffusers import AutoencoderKLQwenImage
from PIL import Image

from demo.training.image_vae import training_pictures
from demo.training.manifest import CHECKPOINTS, record
from qwen_engine.image.fit_preview import fit_preview

NUM_THREADS = 1
NUM_PICTURES = 500
SEED = 0
NAME = "image"


def main() -> None:
    torch.set_num_threads(NUM_THREADS)
    vae = AutoencoderKLQwenImage.from_pretrained(CHECKPOINTS / NAME / "vae", torch_dtype=torch.float32)
    fit = fit_preview(vae, map(Image.fromarray, training_pictures(NUM_PICTURES, SEED)))
    fit.save(CHECKPOINTS / NAME)
    quality = {"rms_error_of_255": round(fit.rms_error, 2), "variance_explained": round(fit.explained, 4)}
    record(NAME, preview=quality)
    print(quality)


if __name__ == "__main__":
    main()
