"""A Qwen-Image checkpoint folder of the published shapes with random weights: real files, nothing to see.

write_checkpoint(folder, CONFIGS, random_weights(torch.bfloat16, "cuda:0"))      # 58 GB
"""

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from math import prod
from pathlib import Path
from typing import Any, TypeAlias

import torch
from safetensors.torch import save_file

from perf.gpu.image_shapes import MODEL_INDEX, SCHEDULER, Shape, image_shapes
from perf.gpu.random_checkpoint import random_tensors
from perf.report import PROJECT

Json: TypeAlias = Mapping[str, Any]
Shapes: TypeAlias = dict[str, Shape]
WriteWeights: TypeAlias = Callable[[Path, Shapes], None]
"""Writes one file with tensors of the given shapes."""

DEMO = PROJECT / "demo" / "checkpoints" / "image"
FILES = {"transformer": "diffusion_pytorch_model", "vae": "diffusion_pytorch_model", "text_encoder": "model"}
FILE_ELEMENTS = 2_500_000_000  # of a file; 5 GB in bfloat16
SEED = 0


def write_checkpoint(folder: Path, configs: Mapping[str, Json], write_weights: WriteWeights) -> None:
    """`configs` by component, as `CONFIGS`. The text's tokens are those of the demo checkpoint: its ids are smaller."""
    folder.mkdir(parents=True)
    shutil.copytree(DEMO / "tokenizer", folder / "tokenizer")
    write_json(folder / "model_index.json", MODEL_INDEX)
    write_json(folder / "scheduler" / "scheduler_config.json", SCHEDULER)
    for component, config in configs.items():
        write_json(folder / component / "config.json", config)
        write_component(folder / component, FILES[component], image_shapes(component, dict(config)), write_weights)


def write_component(folder: Path, stem: str, shapes: Shapes, write_weights: WriteWeights) -> None:
    """Files of a few GB, and the index that tells which tensor is in which."""
    parts = list(_parts(shapes))
    homes: dict[str, str] = {}
    for number, part in enumerate(parts, start=1):
        file = f"{stem}-{number:05}-of-{len(parts):05}.safetensors"
        write_weights(folder / file, part)
        homes |= dict.fromkeys(part, file)
    total = 2 * sum(map(prod, shapes.values()))
    write_json(folder / f"{stem}.safetensors.index.json", {"metadata": {"total_size": total}, "weight_map": homes})


def random_weights(dtype: torch.dtype, device: str) -> WriteWeights:
    """Draws them on `device`."""
    generator = torch.Generator(device).manual_seed(SEED)

    def write(file: Path, shapes: Shapes) -> None:
        save_file(random_tensors(shapes, generator, dtype), file, metadata={"format": "pt"})

    return write


def write_json(file: Path, content: Json) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content, indent=1) + "\n")


def _parts(shapes: Shapes) -> Iterator[Shapes]:
    part: Shapes = {}
    size = 0
    for name, shape in shapes.items():
        if part and size + prod(shape) > FILE_ELEMENTS:
            yield part
            part, size = {}, 0
        part[name] = shape
        size += prod(shape)
    yield part
