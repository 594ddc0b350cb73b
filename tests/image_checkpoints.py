"""Edit checkpoints for tests, in both published layouts, with the weights of the demo's base checkpoint."""

from pathlib import Path
from typing import Literal

import torch
from diffusers import (
    QwenImageEditPipeline,
    QwenImageEditPlusPipeline,
    QwenImagePipeline,
    QwenImageTransformer2DModel,
)
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from qwen_engine.image.processor import PictureProcessor

BASE = Path(__file__).resolve().parents[1] / "demo" / "checkpoints" / "image"
OURS, THEIRS = PictureProcessor.__name__, "Qwen2VLProcessor"
PIPELINES = {"edit": QwenImageEditPipeline, "edit-plus": QwenImageEditPlusPipeline}
SMALLEST_PICTURES = {"shortest_edge": 28 * 28, "longest_edge": 56 * 56}  # pixels, as the text encoder sees them


def make_edit_checkpoint(folder: Path, layout: Literal["edit", "edit-plus"], *, zero_cond_t: bool) -> Path:
    """A checkpoint in `folder`: float32, with the base checkpoint's weights; `zero_cond_t` as Edit-2511 has it."""
    base = QwenImagePipeline.from_pretrained(BASE, dtype=torch.float32)
    transformer = QwenImageTransformer2DModel(**{**base.transformer.config, "zero_cond_t": zero_cond_t})
    transformer.load_state_dict(base.transformer.state_dict())
    processor = PictureProcessor(Qwen2VLImageProcessorPil(size=SMALLEST_PICTURES), base.tokenizer)
    pipeline = PIPELINES[layout](**{**base.components, "transformer": transformer, "processor": processor})
    pipeline.save_pretrained(folder)
    for file in (folder / "model_index.json", *(folder / "processor").glob("*_config.json")):
        file.write_text(file.read_text().replace("qwen_engine.image.processor", "transformers").replace(OURS, THEIRS))
    return folder
