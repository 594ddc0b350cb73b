"""What diffusers' own pipelines draw, for the image engine to equal."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import (
    QwenImageEditInpaintPipeline,
    QwenImageEditPipeline,
    QwenImageEditPlusPipeline,
    QwenImageImg2ImgPipeline,
    QwenImageInpaintPipeline,
    QwenImagePipeline,
)
from diffusers.pipelines.qwenimage import pipeline_qwenimage_edit as edit
from diffusers.pipelines.qwenimage import pipeline_qwenimage_edit_inpaint as edit_inpaint
from diffusers.pipelines.qwenimage import pipeline_qwenimage_edit_plus as edit_plus

from qwen_engine.image.processor import load_processor
from qwen_engine.image.request import ResolvedRequest

Pixels = np.ndarray  # (height, width, 3) uint8


class Upstream:
    """The pipelines on a base and an edit checkpoint; references are seen at `reference_pixels` in place of 1024²."""

    def __init__(self, base: Path, edit_checkpoint: Path, reference_pixels: int, patch: Callable[..., None]) -> None:
        self.base = QwenImagePipeline.from_pretrained(base, dtype=torch.float32)
        self.layout = edit_plus if "Plus" in (edit_checkpoint / "model_index.json").read_text() else edit
        pipeline = QwenImageEditPlusPipeline if self.layout is edit_plus else QwenImageEditPipeline
        self.edit = pipeline.from_pretrained(
            edit_checkpoint, dtype=torch.float32, processor=load_processor(edit_checkpoint)
        )
        patch(edit_plus, "VAE_IMAGE_SIZE", reference_pixels)
        for module in (edit, edit_inpaint):
            dimensions = module.calculate_dimensions
            patch(module, "calculate_dimensions", lambda _, ratio, of=dimensions: of(reference_pixels, ratio))

    def draw(self, request: ResolvedRequest, picture: int = 0) -> Pixels:
        """The request's picture, alone."""
        pipeline, inputs = self._pipeline(request)
        pipeline.set_progress_bar_config(disable=True)
        guided = request.true_cfg_scale > 1
        image = pipeline(
            prompt=request.prompt,
            negative_prompt=request.negative_prompt if guided else None,
            true_cfg_scale=request.true_cfg_scale,
            width=request.width,
            height=request.height,
            num_inference_steps=request.steps,
            generator=torch.Generator("cpu").manual_seed(request.seed + picture),
            **inputs,
        ).images[0]
        return np.asarray(image)

    def _pipeline(self, request: ResolvedRequest) -> tuple[Any, dict[str, Any]]:
        masked = {"mask_image": request.mask, "strength": request.strength}
        match request.task:
            case "generate":
                return self.base, {}
            case "vary":
                varied = {"image": request.images[0], "strength": request.strength}
                return QwenImageImg2ImgPipeline(**self.base.components), varied
            case "inpaint":
                return QwenImageInpaintPipeline(**self.base.components), {"image": request.images[0], **masked}
        if request.mask is not None:
            return QwenImageEditInpaintPipeline(**self.edit.components), {"image": request.images[0], **masked}
        return self.edit, {"image": list(request.images) if self.layout is edit_plus else request.images[0]}
