"""Pictures on a GPU: `python -m perf.gpu.bench_image`.

A checkpoint of the published shapes with random weights is made for the run (46 GB in the folder for temporary files);
the engine runs in this process, without Triton, and diffusers' pipeline on the same weights. `--model demo --device cpu
--dtype float32` tries the script itself where there is no GPU.
"""

import statistics
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from perf.gpu.image_checkpoint import DEMO, random_weights, write_checkpoint
from perf.gpu.image_shapes import CONFIGS, TEXT_ENCODER
from perf.gpu.image_step import alternating, engine_steps_ms, forward_ms, pipeline_steps_ms
from perf.gpu.script import Arguments, Checkpoints, console, run
from perf.metrics import Goal, Metric, ratio, spread
from qwen_engine.graphs import Capture, cuda_capture
from qwen_engine.image.engine import ImageEngine
from qwen_engine.image.request import ImageRequest
from qwen_engine.image.settings import ImageSettings
from qwen_engine.loop import EngineLoop

WAIT_S = 600
STEP_GOAL = Goal(1.02, at_most=True)
THROUGHPUT_GOAL = Goal(2.5)
SHORT_TEXT_ENCODER = TEXT_ENCODER | {"num_hidden_layers": 2}  # a prompt is encoded once, and is no part of a step


@dataclass(frozen=True)
class Plan:
    """What is measured: single pictures of each size, a batch of the first size."""

    sides_px: tuple[int, ...] = (512, 1024)
    batch: int = 8
    steps: int = 12
    repetitions: int = 3
    forwards: int = 20
    compiler: str = "inductor"

    @property
    def batch_side_px(self) -> int:
        return self.sides_px[0]


TRIAL = Plan((32, 64), batch=2, steps=4, repetitions=1, forwards=2, compiler="eager")


def bench(folder: Path, arguments: Arguments) -> list[Metric]:
    settings = ImageSettings.model_validate(arguments.settings(folder))
    return measure(ImageEngine(settings), settings.device, TRIAL if arguments.is_trial else Plan())


def write_random(folder: Path, model: str, dtype: torch.dtype, device: str) -> None:
    write_checkpoint(folder, CONFIGS | {"text_encoder": SHORT_TEXT_ENCODER}, random_weights(dtype, device))


def measure(engine: ImageEngine, device: str, plan: Plan) -> list[Metric]:
    family: Any = engine.family
    pipeline = family._base._checkpoint.pipeline
    loop: EngineLoop[ImageRequest] = EngineLoop(engine, max_queue=plan.batch, max_wait_s=WAIT_S)
    try:
        metrics = [step(loop, pipeline, side_px, plan) for side_px in plan.sides_px]
        metrics.append(throughput(loop, pipeline, plan))
    finally:
        loop.close(timeout_s=30)
    metrics += forwards(pipeline.transformer, cuda_capture(device) or (lambda run: run), plan)
    return [*metrics, memory(device)]


def step(loop: EngineLoop[ImageRequest], pipeline: Any, side_px: int, plan: Plan) -> Metric:
    """Medians of a picture's steps, the two sides by turns."""
    console.print(f"one picture of {side_px} x {side_px}: ours, the pipeline")
    one = {"device": pipeline.transformer.device, "side_px": side_px, "steps": plan.steps}
    ours, theirs = alternating(
        plan.repetitions,
        lambda: statistics.median(engine_steps_ms(loop, **one)),
        lambda: statistics.median(pipeline_steps_ms(pipeline, **one)),
    )
    return ratio(f"step_vs_pipeline_b1_{side_px}", ours, theirs, "ms", STEP_GOAL, steps=plan.steps)


def throughput(loop: EngineLoop[ImageRequest], pipeline: Any, plan: Plan) -> Metric:
    """Pictures' steps a second, many at once over one."""
    side_px = plan.batch_side_px
    console.print(f"{plan.batch} pictures of {side_px} x {side_px}, one")
    one = {"device": pipeline.transformer.device, "side_px": side_px, "steps": plan.steps}

    def steps_per_s(num_pictures: int) -> float:
        return num_pictures * 1000 / statistics.median(engine_steps_ms(loop, **one, num_pictures=num_pictures))

    many, single = alternating(plan.repetitions, partial(steps_per_s, plan.batch), partial(steps_per_s, 1))
    name = f"throughput_b{plan.batch}_{side_px}_vs_b1"
    return ratio(name, many, single, "steps/s", THROUGHPUT_GOAL, theirs_is="ours, one picture")


def forwards(transformer: Any, graph: Capture, plan: Plan) -> list[Metric]:
    """The transformer alone: as it is, in a CUDA graph, with its blocks compiled, both. It stays compiled."""
    captures: dict[str, Capture] = {"plain": lambda run: run, "graph": graph}
    metrics = []
    for is_compiled in (False, True):
        if is_compiled:
            transformer.compile_repeated_blocks(backend=plan.compiler)
        for name, capture in captures.items():
            option = "_".join(["compiled"] * is_compiled + [name])
            console.print(f"forward, {option}")
            for num_pictures, side_px in ((1, side_px) for side_px in plan.sides_px):
                metrics.append(forward(transformer, option, num_pictures, side_px, capture, plan))
            metrics.append(forward(transformer, option, plan.batch, plan.batch_side_px, capture, plan))
    return metrics


def forward(transformer: Any, option: str, num_pictures: int, side_px: int, capture: Capture, plan: Plan) -> Metric:
    size = {"side_px": side_px, "num_pictures": num_pictures}
    times_ms = forward_ms(transformer, **size, count=plan.forwards, capture=capture)
    figures = spread(times_ms)
    detail = {**figures, "repetitions": len(times_ms)}
    return Metric(f"forward_{option}_ms_b{num_pictures}_{side_px}", figures["median"], "ms", None, detail)


def memory(device: str) -> Metric:
    """The most that was allocated, to be compared with docs/operations.md."""
    if not device.startswith("cuda"):
        return Metric("peak_memory_gb", None, "GB", None, {"why": f"{device} is no GPU"})
    return Metric("peak_memory_gb", torch.cuda.max_memory_allocated(device) / 1e9, "GB", None, {})


if __name__ == "__main__":
    run("image_gpu", __doc__, Checkpoints(DEMO, ["qwen-image"], write_random), bench)
