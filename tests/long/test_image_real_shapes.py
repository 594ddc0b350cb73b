"""The real shapes: every tensor of the published layout is loaded to its place; the docs tell the memory they take.

The checkpoint's 58 GB are holes: a file holds the numbers of its tensors and nothing else, and nothing is read until it
is looked at.
"""

import itertools
import json
from math import prod
from pathlib import Path

import psutil
import pytest
import torch

from perf.gpu import image_memory
from perf.gpu.image_checkpoint import write_checkpoint
from perf.gpu.image_shapes import CONFIGS, TRANSFORMER, image_shapes, published_name
from qwen_engine.image.checkpoint import ImageCheckpoint
from qwen_engine.image.settings import ImageSettings
from qwen_server.home import project_home

BILLIONS = {"transformer": 20.43, "text_encoder": 8.29, "vae": 0.127}
BYTES = 2  # of a bfloat16
MEMORY_LIMIT_GB = 2.0


class Marks:
    """Writes files whose tensors begin with their number, counted through all files; the rest is a hole."""

    def __init__(self) -> None:
        self.numbers: dict[tuple[str, str], int] = {}
        self._next = itertools.count(1)

    def write(self, file: Path, shapes: dict[str, tuple[int, ...]]) -> None:
        ends = list(itertools.accumulate(BYTES * prod(shape) for shape in shapes.values()))
        begins = [0, *ends[:-1]]
        told = {
            name: {"dtype": "BF16", "shape": shape, "data_offsets": [begin, end]}
            for (name, shape), begin, end in zip(shapes.items(), begins, ends, strict=True)
        }
        header = json.dumps({"__metadata__": {"format": "pt"}, **told}).encode()
        with file.open("wb") as written:
            written.write(len(header).to_bytes(8, "little") + header)
            written.truncate(8 + len(header) + ends[-1])
            for name, begin in zip(shapes, begins, strict=True):
                number = self.numbers[file.parent.name, name] = next(self._next)
                written.seek(8 + len(header) + begin)
                written.write(number.to_bytes(BYTES, "little"))


def number_of(tensor: torch.Tensor) -> int:
    assert tensor.dtype == torch.bfloat16
    return int(tensor.detach().flatten()[:1].view(torch.int16))


@pytest.mark.parametrize("component", CONFIGS)
def test_the_real_shapes_have_the_real_size(component):
    shapes = image_shapes(component, CONFIGS[component])
    assert sum(map(prod, shapes.values())) / 1e9 == pytest.approx(BILLIONS[component], abs=0.005)


def test_edit_2511_has_the_same_tensors():
    assert image_shapes("transformer", TRANSFORMER | {"zero_cond_t": True}) == image_shapes("transformer", TRANSFORMER)


def test_the_text_encoder_s_file_names_its_tensors_as_published():
    names = set(image_shapes("text_encoder", CONFIGS["text_encoder"]))
    assert {"lm_head.weight", "model.embed_tokens.weight", "model.layers.27.mlp.up_proj.weight"} <= names
    assert {"visual.patch_embed.proj.weight", "visual.blocks.31.attn.qkv.weight", "visual.merger.mlp.2.weight"} <= names


def test_every_tensor_is_loaded_to_its_place(tmp_path):
    marks = Marks()
    write_checkpoint(tmp_path / "checkpoint", CONFIGS, marks.write)
    before_gb = psutil.Process().memory_info().rss / 1e9
    checkpoint = ImageCheckpoint(
        tmp_path / "checkpoint", ImageSettings(checkpoint=str(tmp_path / "checkpoint"), dtype="bfloat16")
    )
    found = {
        (component, published_name(component, name)): number_of(tensor)
        for component in CONFIGS
        for name, tensor in getattr(checkpoint.pipeline, component).state_dict().items()
    }
    assert found == marks.numbers
    assert psutil.Process().memory_info().rss / 1e9 - before_gb < MEMORY_LIMIT_GB


def test_the_docs_tell_the_memory_as_it_is_counted():
    operations = (project_home() / "docs" / "operations.md").read_text()
    for table in image_memory.tables():
        assert table in operations
