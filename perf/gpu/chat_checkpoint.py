"""A Qwen3 text checkpoint folder of the published shapes with random weights: real files, nothing to read."""

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from perf.gpu.asr_checkpoint import EOS_IDS, SEED, Json, asr_config, decoder_shapes
from perf.gpu.random_checkpoint import random_tensors
from perf.report import PROJECT

DEMO = PROJECT / "demo" / "checkpoints" / "chat"
COPIED = ("tokenizer.json", "tokenizer_config.json")


def chat_config(model: str) -> dict[str, Any]:
    """config.json of Qwen/Qwen3-{0.6B,1.7B}: the text part of the recogniser of that size."""
    text = asr_config(model)["text_config"]
    return {
        "architectures": ["Qwen3ForCausalLM"],
        **text,
        "max_position_embeddings": 40960,
        "eos_token_id": EOS_IDS[-1],
    }


def _num_tokens() -> int:
    """That stand for a text."""
    return len(json.loads((DEMO / "tokenizer.json").read_text())["model"]["vocab"])


def write_checkpoint(folder: Path, config: Json, *, dtype: torch.dtype, device: str) -> None:
    """Weights are drawn on `device`. The tokens are those of the demo checkpoint: its ids are smaller."""
    folder.mkdir(parents=True)
    for name in COPIED:
        shutil.copy(DEMO / name, folder / name)
    if (template := DEMO / "chat_template.jinja").exists():
        shutil.copy(template, folder / template.name)
    generation = {"do_sample": False, "eos_token_id": EOS_IDS, "pad_token_id": EOS_IDS[-1]}
    for name, content in (("config", config), ("generation_config", generation)):
        (folder / f"{name}.json").write_text(json.dumps(content, indent=1) + "\n")
    shapes = dict(decoder_shapes(config, below="model."))
    tensors = random_tensors(shapes, torch.Generator(device).manual_seed(SEED), dtype)
    # Written are only tokens that stand for a text, and never an end.
    tensors["model.embed_tokens.weight"][_num_tokens() :] = 0
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
