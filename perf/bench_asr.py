"""Speech recognition against transformers, side by side in one run: `python -m perf.bench_asr [--quick]`.

Goals and method: perf/README.md. A goal that is not met is told, and fails nothing.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import soundfile

from perf.asr import listening
from perf.asr.baseline import choose_threads
from perf.asr.clips import LONGEST_S, Clip, benchmark_clips, write_clips
from perf.asr.crowd import listen
from perf.asr.live import LiveAmount, live_metrics
from perf.asr.results import metrics
from perf.asr.rounds import AT_ONCE, Bench, Round
from perf.baselines.worker import BaselineError, official_asr
from perf.metrics import Metric, print_report
from perf.report import circumstances
from perf.server import console, serving
from qwen_client import AsyncClient
from qwen_engine.asr.engine import AsrEngine
from qwen_engine.asr.request import AsrRequest
from qwen_engine.loop import EngineLoop
from qwen_engine.settings import AsrSettings, CaptionSettings
from qwen_server.checkpoints import resolve
from qwen_server.errors import ServerError
from qwen_server.profiles import Profile, load_profile

MODEL = "qwen3_asr"
TIMEOUT_S = 600
SHORT_S = 1.0
LIVE = LiveAmount(rounds=3, crowds=(1, 8, 16, 24, 32, 40, 48, 56, 64), minutes=30)


@dataclass(frozen=True)
class Amount:
    """How much is measured; `QUICK` shows that everything runs, its figures say little."""

    rounds: int = 5
    clips: int = 64
    short: int = 40
    crowds: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64, 128)
    heard_each: int = 2
    live: LiveAmount = LIVE


QUICK = Amount(
    rounds=1, clips=16, short=10, crowds=(1, 4), heard_each=1, live=LiveAmount(rounds=1, crowds=(1, 4), minutes=2)
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profile", default="demo")
    parser.add_argument("--quick", action="store_true", help="one short round: shows that everything runs")
    arguments = parser.parse_args()
    amount = QUICK if arguments.quick else Amount()
    with tempfile.TemporaryDirectory() as folder:
        results, facts = asyncio.run(bench(load_profile(arguments.profile), amount, Path(folder)))
    print_report("asr", results, facts)


async def bench(profile: Profile, amount: Amount, folder: Path) -> tuple[list[Metric], dict[str, object]]:
    """All metrics, and the circumstances of all."""
    settings = served(profile)
    clips = benchmark_clips(_made(folder / "mixed"), amount.clips)
    rounds, facts = await load_rounds(settings, clips, amount, folder)
    live = await live_metrics(live_settings(profile, settings), _made(folder / "live"), amount.live)
    return [*metrics(rounds, clips), *live, *table(settings, clips, amount)], facts


async def load_rounds(
    settings: AsrSettings, clips: Sequence[Clip], amount: Amount, folder: Path
) -> tuple[list[Round], dict[str, object]]:
    short = write_clips(_made(folder / "short"), [SHORT_S] * amount.short)
    long = write_clips(_made(folder / "long"), [LONGEST_S] * (AT_ONCE - 1))
    with official_asr(Path(settings.checkpoint)) as worker, serving(Profile(qwen3_asr=settings)) as server:
        address = server.address.grpc
        async with AsyncClient(address, timeout_s=TIMEOUT_S) as client:
            threads = choose_threads(worker, clips)
            await listening.all_of(client, clips[:AT_ONCE], at_once=AT_ONCE)  # what is made once
            plan = Bench(worker, threads, client, clips, short, long)
            rounds = [await next_round(plan, number, amount.rounds) for number in range(amount.rounds)]
        return rounds, {
            **circumstances(address, MODEL),
            "threads": settings.num_threads,
            "baseline_threads": {"sequential": threads.sequential, "static_batch": threads.batch},
            "baseline_tried_s": threads.tried_s,
        }


async def next_round(plan: Bench, number: int, count: int) -> Round:
    console.print(f"round {number + 1} of {count}: A, ours alone, B, ours together, short clips beside long ones")
    return await plan.round()


def table(settings: AsrSettings, clips: Sequence[Clip], amount: Amount) -> list[Metric]:
    """Concurrency, throughput and time to the first token, without Triton."""
    requests = [AsrRequest(soundfile.read(clip.file, dtype="float32")[0]) for clip in clips]
    largest = max(amount.crowds)
    settings = settings.model_copy(update={"max_requests": largest})
    loop: EngineLoop[AsrRequest] = EngineLoop(AsrEngine(settings), max_queue=largest, max_wait_s=TIMEOUT_S)
    try:
        listen(loop, requests[:2], 1)  # what is made once
        results = []
        for at_once in amount.crowds:
            console.print(f"{at_once} at once")
            count = max(len(requests), amount.heard_each * at_once)
            asked = [requests[index % len(requests)] for index in range(count)]
            results.append(listen(loop, asked, at_once).metric())
        return results
    finally:
        loop.close(timeout_s=30)


def served(profile: Profile) -> AsrSettings:
    """The profile's settings, with the folder of the checkpoint; no aligner."""
    settings = profile.qwen3_asr
    if settings is None:
        raise ServerError(f"the profile does not serve {MODEL}")
    return settings.model_copy(update={"checkpoint": str(resolve(settings.checkpoint)), "aligner_checkpoint": None})


def live_settings(profile: Profile, settings: AsrSettings) -> CaptionSettings:
    """The profile's for captions, on the same checkpoint."""
    captions = profile.qwen3_asr_stream
    if captions is None:
        raise ServerError("the profile does not serve qwen3_asr_stream")
    return captions.model_copy(update={"checkpoint": settings.checkpoint})


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


if __name__ == "__main__":
    try:
        main()
    except (BaselineError, ServerError) as error:
        sys.exit(f"error: {error}")
