"""The benchmark of pictures for GPUs, as far as a CPU can try it, and the counting of memory."""

import json
from dataclasses import replace

import pytest
import torch
from safetensors import safe_open

from perf.gpu import bench_image
from perf.gpu.image_checkpoint import DEMO, random_weights, write_checkpoint
from perf.gpu.image_shapes import CONFIGS, image_shapes
from perf.gpu.image_step import alternating
from perf.gpu.live_bytes import peak_bytes
from qwen_engine.image.engine import ImageEngine
from qwen_engine.image.settings import ImageSettings

MIB = 1 << 20


def demo_config(component: str) -> dict:
    config = json.loads((DEMO / component / "config.json").read_text())
    return {name: value for name, value in config.items() if not name.startswith("_")}


@pytest.fixture(scope="module")
def random_checkpoint(tmp_path_factory):
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("checkpoints") / "random"
    configs = {component: demo_config(component) for component in CONFIGS}
    write_checkpoint(folder, configs, random_weights(torch.float32, "cpu"))
    return folder


@pytest.mark.parametrize("component", ["transformer", "vae"])
def test_shapes_are_those_of_a_checkpoint(component):
    with safe_open(DEMO / component / "diffusion_pytorch_model.safetensors", framework="pt") as file:
        real = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    assert image_shapes(component, demo_config(component)) == real


def test_the_script_measures_what_it_is_for(random_checkpoint):
    engine = ImageEngine(ImageSettings(checkpoint=str(random_checkpoint)))
    metrics = bench_image.measure(engine, "cpu", replace(bench_image.TRIAL, sides_px=(32,)))
    names = [metric.name for metric in metrics]
    assert names[:2] == ["step_vs_pipeline_b1_32", "throughput_b2_32_vs_b1"]
    assert [str(metric.goal) for metric in metrics[:2]] == ["≤ 1.02", "≥ 2.5"]
    options = ("plain", "graph", "compiled_plain", "compiled_graph")
    assert names[2:-1] == [f"forward_{option}_ms_{size}" for option in options for size in ("b1_32", "b2_32")]
    assert names[-1] == "peak_memory_gb"
    assert all(metric.value is not None and metric.value > 0 for metric in metrics[:-1])
    assert "no GPU" in metrics[-1].detail["why"]


def test_two_sides_are_measured_by_turns():
    calls: list[str] = []
    ours, theirs = alternating(2, lambda: calls.append("ours") or 1.0, lambda: calls.append("theirs") or 2.0)
    assert (ours, theirs) == ([1.0, 1.0], [2.0, 2.0])
    assert calls == ["ours", "theirs"] * 2


def test_memory_is_what_lives_at_once():
    def forward() -> torch.Tensor:
        kept = torch.empty(MIB, dtype=torch.uint8, device="meta")
        for _ in range(3):
            passing = torch.empty(4 * MIB, dtype=torch.uint8, device="meta")
            passing = passing[: 2 * MIB] + 1  # a view takes nothing, the sum 2 MiB
        del passing
        return kept

    assert peak_bytes(forward) == 7 * MIB


def test_attention_keeps_no_matrix_of_all_pairs():
    queries = torch.empty(1, 4, 1024, 32, dtype=torch.bfloat16, device="meta")
    attention = torch.nn.functional.scaled_dot_product_attention
    assert peak_bytes(lambda: attention(queries, queries, queries)) == queries.nbytes
