"""Weights kept in fewer bits, layers that wait elsewhere, and LoRAs."""

import functools
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import QwenImagePipeline

from qwen_engine.image.checkpoint import ImageCheckpoint
from qwen_engine.image.engine import ImageEngine
from qwen_engine.image.request import ImageRequest, Picture
from qwen_engine.image.settings import ImageSettings
from qwen_wire.errors import InvalidRequest
from tests.image_checkpoints import BASE, make_lora
from tests.parity.image_cases import make_engine
from tests.recorder import Recorder, run

REQUEST = ImageRequest("a large red circle on a white background", seed=3, steps=6, true_cfg_scale=2.0)


def pixels(sink: Recorder) -> np.ndarray:
    assert sink.outcome() == "stop"
    (event,) = [event for event in sink.events if isinstance(event, Picture)]
    return np.asarray(event.image).astype(int)


@pytest.fixture(scope="module")
def plain() -> np.ndarray:
    """The picture as the checkpoint draws it."""
    return pixels(run(make_engine(), REQUEST)[0])


def needs(weights: str) -> None:
    if weights == "int8":
        pytest.importorskip("torchao", reason="an extra of its own: int8")


@pytest.mark.parametrize("weights", ["fp8", "int8"])
def test_weights_in_eight_bits_draw_much_the_same(weights, plain):
    needs(weights)
    assert np.abs(pixels(run(make_engine(weights=weights), REQUEST)[0]) - plain).mean() < 8


@pytest.mark.parametrize(("weights", "share"), [("fp8", 0.3), ("int8", 0.35)])
def test_weights_in_eight_bits_take_little_memory(weights, share):
    needs(weights)

    def num_bytes(**settings: str) -> int:
        checkpoint = ImageCheckpoint(BASE, ImageSettings(checkpoint=str(BASE), **settings))
        return sum(
            parameter.untyped_storage().nbytes() if weights == "fp8" else _stored_bytes(parameter)
            for parameter in checkpoint.transformer.transformer_blocks.parameters()
        )

    assert num_bytes(weights=weights) < share * num_bytes()


def _stored_bytes(parameter: torch.Tensor) -> int:
    """Of a tensor, or of the parts of a quantised one."""
    parts = [getattr(parameter, name) for name in ("qdata", "scale") if hasattr(parameter, name)]
    return sum(part.numel() * part.element_size() for part in parts or [parameter])


@pytest.mark.parametrize("offload", ["text_encoder", "group"])
def test_layers_that_wait_elsewhere_draw_the_same(offload, plain):
    np.testing.assert_array_equal(pixels(run(make_engine(offload=offload), REQUEST)[0]), plain)


@pytest.fixture(scope="module")
def lora_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("loras")
    for seed, name in enumerate(["ink", "pencil"]):
        make_lora(folder, name, seed)
    (folder / "broken.safetensors").write_bytes(b"no LoRA at all")
    (folder / "..hidden.safetensors").write_bytes(b"")
    return folder


@pytest.fixture(scope="module")
def engine(lora_folder: Path) -> ImageEngine:
    return make_engine(lora_folder=str(lora_folder), max_loras=1)


def with_lora(name: str | None) -> ImageRequest:
    return ImageRequest("a small green star", seed=5, steps=4, lora=name)


@functools.cache
def official(lora_folder: Path, name: str | None) -> np.ndarray:
    pipeline = QwenImagePipeline.from_pretrained(BASE, dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    if name is not None:
        pipeline.load_lora_weights(lora_folder, weight_name=f"{name}.safetensors")
    generator = torch.Generator("cpu").manual_seed(5)
    size = {"width": 64, "height": 64}
    image = pipeline("a small green star", true_cfg_scale=1.0, num_inference_steps=4, generator=generator, **size)
    return np.asarray(image.images[0]).astype(int)


@pytest.mark.parametrize("max_loras", [1, 2])
def test_a_lora_draws_as_in_the_pipeline_and_leaves_nothing_behind(max_loras, lora_folder):
    engine = make_engine(lora_folder=str(lora_folder), max_loras=max_loras)
    for name in ("ink", None, "pencil", "ink", None):  # with one place, each load drops the other
        np.testing.assert_array_equal(pixels(run(engine, with_lora(name))[0]), official(lora_folder, name))


def test_a_lora_draws_much_the_same_on_weights_in_eight_bits(lora_folder):
    small = make_engine(lora_folder=str(lora_folder), weights="fp8")
    for name in ("ink", None):
        assert np.abs(pixels(run(small, with_lora(name))[0]) - official(lora_folder, name)).mean() < 8


def test_mates_with_other_loras_are_not_disturbed(engine, lora_folder):
    names = ["ink", None, "pencil", "ink", None]
    for name, sink in zip(names, run(engine, *map(with_lora, names)), strict=True):
        assert np.abs(pixels(sink) - official(lora_folder, name)).max() <= 1


def test_a_broken_lora_fails_its_own_request_only(engine, lora_folder):
    broken, mate = run(engine, with_lora("broken"), with_lora("ink"))
    assert isinstance(broken.outcome(), InvalidRequest)
    assert "OPTIONS.lora is 'broken', whose file does not fit" in str(broken.outcome())
    assert np.abs(pixels(mate) - official(lora_folder, "ink")).max() <= 1


@pytest.mark.parametrize("name", ["nothing", "../loras/ink", "ink.safetensors", "..hidden", "/etc/passwd", "", "ink/"])
def test_only_names_from_the_folder_are_taken(engine, name):
    with pytest.raises(InvalidRequest, match=r"OPTIONS\.lora is .*; allowed: broken, ink, pencil"):
        engine.prepare(with_lora(name))
