"""A Qwen-Image checkpoint folder, loaded by diffusers: its components, and the layout of its pipeline class."""

import filecmp
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from diffusers import (
    DiffusionPipeline,
    PipelineQuantizationConfig,
    QwenImageEditPipeline,
    QwenImageEditPlusPipeline,
    QwenImagePipeline,
    TorchAoConfig,
)
from diffusers.image_processor import VaeImageProcessor

from qwen_engine.image.preview import FILE as PREVIEW_FILE
from qwen_engine.image.processor import load_processor
from qwen_engine.image.settings import ImageSettings

Layout = Literal["text", "edit", "edit-plus"]
PIPELINES: dict[str, tuple[Layout, Any]] = {
    "QwenImagePipeline": ("text", QwenImagePipeline),
    "QwenImageEditPipeline": ("edit", QwenImageEditPipeline),
    "QwenImageEditPlusPipeline": ("edit-plus", QwenImageEditPlusPipeline),
}
UNQUANTISED = ("img_in", "txt_in", "time_text_embed", "norm_out", "proj_out")  # small, and all outputs depend on them
SHAREABLE = ("text_encoder", "vae")  # most of an edit checkpoint besides its transformer is the base checkpoint's


class ImageCheckpoint:
    """One checkpoint on its device. Files that it shares with `other` are loaded once.

    The diffusers pipeline is kept for its components, its prompt encoding, its LoRA loading and its offloading; its
    denoising loop is not used.
    """

    def __init__(self, folder: Path, settings: ImageSettings, other: "ImageCheckpoint | None" = None) -> None:
        self.folder = folder
        self._moves_models = settings.offload == "model"
        name = json.loads((folder / "model_index.json").read_bytes())["_class_name"]
        if name not in PIPELINES:
            raise ValueError(f"{folder} is for {name}; this family serves {', '.join(PIPELINES)}")
        self.layout, pipeline_class = PIPELINES[name]
        common = {} if other is None else _common(folder, other)
        self.preview_folder = folder  # that of the VAE's preview map
        if other is not None and "vae" in common and not (folder / PREVIEW_FILE).is_file():
            self.preview_folder = other.preview_folder
        processor = {} if self.layout == "text" else {"processor": load_processor(folder)}
        dtype = getattr(torch, settings.dtype)
        self.pipeline = pipeline_class.from_pretrained(
            folder, dtype=dtype, quantization_config=_quantisation(settings), **common, **processor
        )
        self.transformer = self.pipeline.transformer
        if settings.weights == "fp8":
            self.transformer.enable_layerwise_casting(torch.float8_e4m3fn, compute_dtype=dtype)
        _place(self.pipeline, settings, already_placed=list(common))
        self.pictures = VaeImageProcessor(vae_scale_factor=self.pixel_multiple)
        self.masks = VaeImageProcessor(
            vae_scale_factor=self.pixel_multiple, do_normalize=False, do_binarize=True, do_convert_grayscale=True
        )

    def make_room(self) -> None:
        """With offload = "model", move the transformer off the device before text encoder or VAE are used."""
        if self._moves_models:
            self.pipeline.maybe_free_model_hooks()

    @property
    def pixel_multiple(self) -> int:
        """Width and height are multiples of it: the VAE's stride times the transformer's patch."""
        return int(self.pipeline.vae_scale_factor * self.transformer.config.patch_size)


def _place(pipeline: DiffusionPipeline, settings: ImageSettings, already_placed: Sequence[str]) -> None:
    """Move the components to the device, or let diffusers do so when they are used."""
    device = torch.device(settings.device)
    if settings.offload == "none":
        pipeline.to(device)
    elif settings.offload == "model":
        pipeline.enable_model_cpu_offload(device=device)
    else:
        stays = [] if settings.offload == "group" else ["transformer"]
        pipeline.enable_group_offload(
            device,
            offload_type="leaf_level",
            use_stream=device.type == "cuda",
            exclude_modules=["vae", *stays, *already_placed],
        )


def _quantisation(settings: ImageSettings) -> PipelineQuantizationConfig | None:
    if settings.weights != "int8":
        return None
    from torchao.quantization import Int8WeightOnlyConfig  # takes seconds to load

    config = TorchAoConfig(Int8WeightOnlyConfig(), modules_to_not_convert=list(UNQUANTISED))
    return PipelineQuantizationConfig(quant_mapping={"transformer": config})


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
