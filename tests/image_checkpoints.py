"""Edit checkpoints for tests, in both published layouts, with the weights of the demo's base checkpoint; and LoRAs."""

from pathlib import Path
from typing import Literal

import torch
from diffusers import (
    QwenImageEditPipeline,
    QwenImageEditPlusPipeline,
    QwenImagePipeline,
    QwenImageTransformer2DModel,
)
from peft import LoraConfig, get_peft_model_state_dict
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


def make_lora(folder: Path, name: str, seed: int) -> None:
    """A LoRA of random weights that shows."""
    torch.manual_seed(seed)
    transformer = QwenImagePipeline.from_pretrained(BASE, dtype=torch.float32).transformer
    transformer.add_adapter(LoraConfig(r=4, lora_alpha=16, init_lora_weights=False, target_modules=["to_q", "to_v"]))
    layers = get_peft_model_state_dict(transformer)
    QwenImagePipeline.save_lora_weights(folder, transformer_lora_layers=layers, weight_name=f"{name}.safetensors")
