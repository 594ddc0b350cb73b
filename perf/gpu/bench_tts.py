"""Speech synthesis on a GPU: `python -m perf.gpu.bench_tts [--model 1.7b]`.

A checkpoint of the published shapes with random weights is made for the run; the engine runs in this process, without
Triton, with and without CUDA graphs. `--model demo --device cpu` tries the script itself where there is no GPU.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from perf.gpu.frame_step import disagreement, frame_steps_ms
from perf.gpu.listeners import run_listeners
from perf.gpu.random_checkpoint import write_checkpoint
from perf.gpu.results import agreement, first_audio, frame_step, realtime_streams
from perf.gpu.script import Arguments, Checkpoints, console, run
from perf.gpu.shapes import CODEC, TALKERS, tts_config
from perf.metrics import Metric
from perf.report import PROJECT
from perf.tts.texts import benchmark_texts
from qwen_engine.graphs import cuda_capture
from qwen_engine.loop import EngineLoop
from qwen_engine.tts.checkpoint import TtsCheckpoint
from qwen_engine.tts.engine import TtsEngine
from qwen_engine.tts.graphs import GraphedTalker
from qwen_engine.tts.request import Speak, speak_request
from qwen_engine.tts.settings import TtsSettings
from qwen_wire.options import TtsOptions

DEMO = PROJECT / "demo" / "checkpoints" / "tts"
WAIT_S = 60


@dataclass(frozen=True)
class Plan:
    """What is measured; how many streams and frames."""

    max_batch: int = 192
    max_positions: int = 1024
    batches: tuple[int, ...] = (1, 8, 32, 64, 128)
    steps: int = 60
    alone: int = 30
    concurrency: int = 32
    concurrencies: tuple[int, ...] = (64, 128, 160, 192)
    played_each: int = 3
    audio_s: float = 8.0


TRIAL = Plan(2, 256, (1, 2), steps=3, alone=2, concurrency=2, concurrencies=(1, 2), played_each=2, audio_s=1.0)


def bench(folder: Path, arguments: Arguments) -> list[Metric]:
    plan = TRIAL if arguments.is_trial else Plan()
    limits = {"max_batch": plan.max_batch, "max_positions": plan.max_positions}
    settings = TtsSettings.model_validate(arguments.settings(folder, **limits))
    return measure(engine_with_graphs(settings), settings, plan)


def write_random(folder: Path, model: str, dtype: torch.dtype, device: str) -> None:
    write_checkpoint(folder, tts_config(model), CODEC, dtype=dtype, device=device)


def engine_with_graphs(settings: TtsSettings) -> TtsEngine:
    """On a CPU, each graph calls what it was made from."""
    return TtsEngine(settings, capture=cuda_capture(settings.device) or (lambda run: run))


def measure(engine: TtsEngine, settings: TtsSettings, plan: Plan) -> list[Metric]:
    (checkpoint,), (batch,) = engine.checkpoints.values(), engine._batches.values()
    assert isinstance(batch._talker, GraphedTalker)
    metrics = frame_metrics(checkpoint, batch._talker, plan)
    loop: EngineLoop[Speak] = EngineLoop(engine, max_queue=plan.max_batch, max_wait_s=WAIT_S)
    try:
        metrics += load_metrics(loop, requests(settings, plan), plan)
    finally:
        loop.close(timeout_s=30)
    return metrics


def requests(settings: TtsSettings, plan: Plan) -> list[Speak]:
    """Sampled as the checkpoint says: greedy speech of random weights soon repeats itself, and would be cut."""
    asked = [TtsOptions.model_validate({"seed": seed, "max_audio_s": plan.audio_s}) for seed in range(16)]
    return [speak_request(text, one, settings, None) for text, one in zip(benchmark_texts(16), asked, strict=True)]


def frame_metrics(checkpoint: TtsCheckpoint, graphs: GraphedTalker, plan: Plan) -> list[Metric]:
    """The frame step as the checkpoint samples; the agreement also when greedy, where nothing hides a difference."""
    talker, config, metrics = checkpoint.talker, checkpoint.config, []
    usual = config.sampling, config.sub_sampling
    greedy = replace(usual[0], temperature=0.0), replace(usual[1], temperature=0.0)
    for batch in plan.batches:
        console.print(f"frame step, batch {batch}")
        eager_ms = frame_steps_ms(talker, talker, batch, usual, plan.steps)
        graphed_ms = frame_steps_ms(talker, graphs, batch, usual, plan.steps)
        apart = [disagreement(talker, graphs, batch, sampling, plan.steps) for sampling in (usual, greedy)]
        metrics += [frame_step(batch, graphed_ms, eager_ms), agreement(batch, apart)]
    return metrics


def load_metrics(loop: EngineLoop[Speak], asked: Sequence[Speak], plan: Plan) -> list[Metric]:
    run_listeners(loop, asked, num_listeners=2, num_playbacks=4)  # what is made once
    console.print("one listener after another")
    alone = run_listeners(loop, asked, num_listeners=1, num_playbacks=plan.alone)
    console.print(f"{plan.concurrency} listeners")
    listened = run_listeners(
        loop, asked, num_listeners=plan.concurrency, num_playbacks=plan.concurrency * plan.played_each
    )
    playbacks = {}
    for size in plan.concurrencies:
        console.print(f"{size} listeners")
        playbacks[size] = run_listeners(loop, asked, num_listeners=size, num_playbacks=size * plan.played_each)
    return [first_audio(1, alone, 50), first_audio(plan.concurrency, listened, 95), realtime_streams(playbacks)]


if __name__ == "__main__":
    run("tts_gpu", __doc__, Checkpoints(DEMO, list(TALKERS), write_random), bench)
