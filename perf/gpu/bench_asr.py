"""Speech recognition on a GPU: `python -m perf.gpu.bench_asr [--model 1.7b]`.

A checkpoint of the published shapes with random weights is made for the run; the engine runs in this process, without
Triton, with CUDA graphs. Clips last two minutes, as in the technical report's Table 2, and every piece of them takes as
many tokens as speech does. `--model demo --device cpu` tries the script itself where there is no GPU.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from perf.asr.engine_load import LoadResult, run_load
from perf.gpu.asr_checkpoint import DEMO, SIZES, asr_config, write_checkpoint
from perf.gpu.script import Arguments, Checkpoints, console, run
from perf.metrics import Goal, Metric
from qwen_engine.asr.engine import AsrEngine
from qwen_engine.asr.request import AsrRequest
from qwen_engine.asr.settings import AsrSettings
from qwen_engine.asr.vad.bands import SAMPLE_RATE_HZ
from qwen_engine.graphs import cuda_capture
from qwen_engine.loop import EngineLoop

WAIT_S = 600
FIRST_TOKEN_GOAL_MS = 60.0  # one request
THROUGHPUT_GOALS = {128: 2500.0}  # by requests at once


@dataclass(frozen=True)
class Plan:
    """What is measured: clips of `clip_s`, `tokens` for each piece of 30 s (200 words a minute)."""

    concurrencies: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64, 128)
    heard_each: int = 3
    clip_s: float = 120.0
    tokens: int = 130
    max_batch: int = 256
    max_positions: int = 640
    max_step_audio_s: float = 480.0


TRIAL = Plan((1, 2), 1, clip_s=12.0, tokens=8, max_batch=4, max_positions=512, max_step_audio_s=60.0)


def bench(folder: Path, arguments: Arguments) -> list[Metric]:
    plan = TRIAL if arguments.is_trial else Plan()
    limits = {
        "max_batch": plan.max_batch,
        "max_requests": max(plan.concurrencies),
        "max_positions": plan.max_positions,
        "max_step_audio_s": plan.max_step_audio_s,
    }
    settings = AsrSettings.model_validate(arguments.settings(folder, **limits))
    # On a CPU, each graph calls what it was made from.
    return measure(AsrEngine(settings, capture=cuda_capture(settings.device) or (lambda run: run)), plan)


def write_random(folder: Path, model: str, dtype: torch.dtype, device: str) -> None:
    write_checkpoint(folder, asr_config(model), dtype=dtype, device=device)


def measure(engine: AsrEngine, plan: Plan) -> list[Metric]:
    requests = [request(plan, seed) for seed in range(4)]
    loop: EngineLoop[AsrRequest] = EngineLoop(engine, max_queue=max(plan.concurrencies), max_wait_s=WAIT_S)
    try:
        run_load(loop, requests[:2], 2)  # what is made once
        loads = []
        for at_once in plan.concurrencies:
            console.print(f"{at_once} at once")
            count = plan.heard_each * at_once
            loads.append(run_load(loop, [requests[index % len(requests)] for index in range(count)], at_once))
    finally:
        loop.close(timeout_s=30)
    return [first_token(loads[0]), *(load.metric(_goal(load.at_once)) for load in loads)]


def request(plan: Plan, seed: int) -> AsrRequest:
    """Noise: to random weights it is as good as speech. It is cut by length, and every piece takes all its tokens."""
    samples = np.random.default_rng(seed).normal(0.0, 0.1, int(plan.clip_s * SAMPLE_RATE_HZ)).astype(np.float32)
    return AsrRequest(samples, max_new_tokens=plan.tokens, vad=False)


def first_token(load: LoadResult) -> Metric:
    """One request at a time: from its arrival to the first token of any of its pieces."""
    detail = {"requests": len(load.first_tokens_s)}
    value_ms = 1000 * float(np.mean(load.first_tokens_s))
    return Metric("first_token_ms_c1", value_ms, "ms", Goal(FIRST_TOKEN_GOAL_MS, at_most=True), detail)


def _goal(at_once: int) -> Goal | None:
    return Goal(THROUGHPUT_GOALS[at_once]) if at_once in THROUGHPUT_GOALS else None


if __name__ == "__main__":
    run("asr_gpu", __doc__, Checkpoints(DEMO, list(SIZES), write_random), bench)
