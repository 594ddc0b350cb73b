"""A Qwen-Image checkpoint folder, loaded by diffusers: its components, and the layout its pipeline class stands for."""

import filecmp
import json
from pathlib import Path
from typing import Any, Literal

import torch
from diffusers import QwenImageEditPipeline, QwenImageEditPlusPipeline, QwenImagePipeline
from diffusers.image_processor import VaeImageProcessor

from qwen_engine.image.processor import load_processor
from qwen_engine.settings import ImageSettings

Layout = Literal["text", "edit", "edit-plus"]
PIPELINES: dict[str, tuple[Layout, Any]] = {
    "QwenImagePipeline": ("text", QwenImagePipeline),
    "QwenImageEditPipeline": ("edit", QwenImageEditPipeline),
    "QwenImageEditPlusPipeline": ("edit-plus", QwenImageEditPlusPipeline),
}
SHAREABLE = ("text_encoder", "vae")  # most of an edit checkpoint besides its transformer is the base checkpoint's


class ImageCheckpoint:
    """One checkpoint on its device. What it has in common with `other`, file by file, is loaded once.

    The diffusers pipeline is kept for its components, its prompt encoding, its LoRA loading and its offloading; its
    denoising loop is not used.
    """

    def __init__(self, folder: Path, settings: ImageSettings, other: "ImageCheckpoint | None" = None) -> None:
        self.folder = folder
        name = json.loads((folder / "model_index.json").read_text())["_class_name"]
        if name not in PIPELINES:
            raise ValueError(f"{folder} is for {name}; this family serves {', '.join(PIPELINES)}")
        self.layout, pipeline_class = PIPELINES[name]
        components = {} if other is None else _common(folder, other)
        if self.layout != "text":
            components["processor"] = load_processor(folder)
        self.pipeline = pipeline_class.from_pretrained(folder, dtype=getattr(torch, settings.dtype), **components)
        self.pipeline.to(settings.device)
        self.transformer = self.pipeline.transformer
        self.pictures = VaeImageProcessor(vae_scale_factor=self.pixel_multiple)
        self.masks = VaeImageProcessor(
            vae_scale_factor=self.pixel_multiple, do_normalize=False, do_binarize=True, do_convert_grayscale=True
        )

    @property
    def pixel_multiple(self) -> int:
        """Width and height are multiples of it: the VAE's stride times the transformer's patch."""
        return int(self.pipeline.vae_scale_factor * self.transformer.config.patch_size)


def _common(folder: Path, other: ImageCheckpoint) -> dict[str, Any]:
    return {
        name: getattr(other.pipeline, name) for name in SHAREABLE if _same_files(folder / name, other.folder / name)
    }


def _same_files(one: Path, another: Path) -> bool:
    if one.samefile(another):
        return True
    names = sorted(file.name for file in one.iterdir())
    if names != sorted(file.name for file in another.iterdir()):
        return False
    _, different, unreadable = filecmp.cmpfiles(one, another, names, shallow=False)
    return not different and not unreadable
