"""A checkpoint folder with random weights: real shapes, real files, nothing to say.

write_checkpoint(folder, tts_config("1.7b"), CODEC, dtype=torch.bfloat16, device="cuda:0")
"""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file

from perf.gpu.shapes import GENERATION, Json, Shape, codec_shapes, tts_shapes

TOKENIZER = Path(__file__).resolve().parents[2] / "demo" / "checkpoints" / "tts"
TOKENIZER_FILES = (
    *("tokenizer.json", "tokenizer_config.json", "vocab.json", "merges.txt"),
    *("special_tokens_map.json", "added_tokens.json", "preprocessor_config.json"),
)
SPEECH_TOKENIZER = "speech_tokenizer"
SMALL = 0.01  # learnt scales of branches begin like this
SEED = 0


def write_checkpoint(folder: Path, config: Json, codec: Json, *, dtype: torch.dtype, device: str) -> None:
    """Weights are drawn on `device`. The text's tokens are those of the demo checkpoint, more of them than real ones:
    the prompts are longer."""
    (folder / SPEECH_TOKENIZER).mkdir(parents=True)
    for name in TOKENIZER_FILES:
        shutil.copy(TOKENIZER / name, folder / name)
    _write_json(folder / "config.json", config)
    _write_json(folder / "generation_config.json", GENERATION)
    _write_json(folder / SPEECH_TOKENIZER / "config.json", codec)
    generator = torch.Generator(device).manual_seed(SEED)
    for shapes, home in ((tts_shapes(config), folder), (codec_shapes(codec), folder / SPEECH_TOKENIZER)):
        save_file(random_tensors(shapes, generator, dtype), home / "model.safetensors")


def random_tensors(
    shapes: Mapping[str, Shape], generator: torch.Generator, dtype: torch.dtype
) -> dict[str, torch.Tensor]:
    """Matrices that keep the size of what they multiply, neutral norms: no layer runs over or dies out."""
    return {name: _tensor(name, shape, generator, dtype).cpu() for name, shape in shapes.items()}


def _tensor(name: str, shape: Shape, generator: torch.Generator, dtype: torch.dtype) -> torch.Tensor:
    tensor = torch.empty(shape, dtype=dtype, device=generator.device)
    kind = name.rsplit(".", 1)[-1]
    if len(shape) > 1:
        return tensor.normal_(0.0, float(tensor[0].numel()) ** -0.5, generator=generator)
    if kind in ("bias", "alpha", "beta"):
        return tensor.zero_()
    return tensor.fill_(SMALL if kind in ("scale", "gamma") else 1.0)


def _write_json(file: Path, content: Json) -> None:
    file.write_text(json.dumps(content, indent=1) + "\n")
