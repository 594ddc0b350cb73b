"""The map that previews are made with: fitted by least squares, saved where the engine looks for it."""

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKLQwenImage
from PIL import Image

from demo.training.corpus import COLOURS
from demo.training.image_vae import training_pictures
from qwen_engine.image import fit_preview
from qwen_engine.image.preview import FILE, load_preview_map

CHECKPOINT = Path(__file__).resolve().parents[2] / "demo" / "checkpoints" / "image"


@pytest.fixture(scope="module")
def vae():
    return AutoencoderKLQwenImage.from_pretrained(CHECKPOINT / "vae", torch_dtype=torch.float32)


def preview_of(vae, folder: Path, picture: Image.Image) -> np.ndarray:
    """Latents of `picture` through the map in `folder`: uint8 (height / 8, width / 8, 3)."""
    latents = fit_preview.latents_of(vae, picture).T.reshape(1, 16, picture.height // 8, picture.width // 8)
    return np.asarray(load_preview_map(folder, "cpu").picture(latents)).astype(int)


@pytest.mark.parametrize("colour", ["red", "green", "blue", "white", "black"])
def test_the_demo_checkpoint_previews_flat_colours(vae, colour):
    shown = preview_of(vae, CHECKPOINT, Image.new("RGB", (64, 48), COLOURS[colour]))
    assert shown.shape == (6, 8, 3)
    assert np.abs(np.median(shown, axis=(0, 1)) - COLOURS[colour]).max() < 60


def test_a_checkpoint_is_fitted_to_a_folder_of_files(vae, tmp_path, monkeypatch, capsys):
    checkpoint, pictures = tmp_path / "checkpoint", tmp_path / "pictures"
    shutil.copytree(CHECKPOINT / "vae", checkpoint / "vae")
    pictures.mkdir()
    for number, drawn in enumerate(training_pictures(16, seed=1)):
        Image.fromarray(drawn).resize((70, 90)).save(pictures / f"{number}.png")
    Image.new("RGB", (900, 4)).save(pictures / "too_flat.png")
    (pictures / "notes.txt").write_text("no picture")
    monkeypatch.setattr(sys, "argv", ["fit_preview", str(checkpoint), "--pictures", str(pictures)])
    fit_preview.main()
    assert f"{FILE}: a colour is off by" in capsys.readouterr().out
    shown = preview_of(vae, checkpoint, Image.fromarray(training_pictures(1, seed=2)[0]))
    wanted = fit_preview.mean_colours(Image.fromarray(training_pictures(1, seed=2)[0])).reshape(8, 8, 3) * 255
    assert np.sqrt(((shown - wanted.numpy()) ** 2).mean()) < 50


def test_too_few_pictures_are_refused(vae):
    with pytest.raises(ValueError, match="64 latent pixels are too few"):
        fit_preview.fit_preview(vae, [Image.new("RGB", (64, 64))])
