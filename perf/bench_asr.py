"""Speech recognition against transformers, side by side in one run: `python -m perf.bench_asr [--quick]`.

Goals and method: perf/README.md. A goal that is not met is told, and fails nothing.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
import soundfile

from perf import side_by_side
from perf.asr import transcriptions
from perf.asr.baseline import choose_threads
from perf.asr.clips import LONGEST_S, Clip, benchmark_clips, write_clips
from perf.asr.engine_load import run_load
from perf.asr.live import LiveAmount, live_metrics
from perf.asr.long import long_recording_metrics, long_round, write_recording
from perf.asr.results import metrics
from perf.asr.rounds import AT_ONCE, Bench, Round
from perf.baselines.worker import official_asr
from perf.metrics import Metric
from perf.server import console
from perf.side_by_side import TIMEOUT_S, Report, Sides, compare, repeat, two_sides
from qwen_engine.asr.captions.settings import CaptionSettings
from qwen_engine.asr.engine import AsrEngine
from qwen_engine.asr.request import AsrRequest
from qwen_engine.asr.settings import AsrSettings
from qwen_engine.loop import EngineLoop
from qwen_server.profiles import Profile

MODEL = "qwen3_asr"
SHORT_S = 1.0
LIVE = LiveAmount(rounds=3, concurrencies=(1, 8, 16, 24, 32, 48, 64), minutes=30)


@dataclass(frozen=True)
class Amount:
    """How much is measured; `QUICK` shows that everything runs, its figures say little."""

    rounds: int = 5
    clips: int = 64
    short: int = 40
    concurrencies: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64, 128)
    heard_each: int = 2
    long_minutes: float = 20.0
    long_rounds: int = 6
    live: LiveAmount = LIVE


QUICK = Amount(
    rounds=1,
    clips=16,
    short=10,
    concurrencies=(1, 4),
    heard_each=1,
    long_minutes=2.0,
    long_rounds=2,
    live=LiveAmount(rounds=1, concurrencies=(1, 4), minutes=2),
)


async def bench(profile: Profile, amount: Amount) -> Report:
    settings = side_by_side.served(profile, MODEL, AsrSettings, aligner_checkpoint=None)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clips = benchmark_clips(_made(folder / "mixed"), amount.clips)
        rounds, long, facts = await load_rounds(settings, clips, amount, folder)
        live = await live_metrics(live_settings(profile, settings), _made(folder / "live"), amount.live)
        return [*metrics(rounds, clips), *long, *live, *table(settings, clips, amount)], facts


async def load_rounds(
    settings: AsrSettings, clips: Sequence[Clip], amount: Amount, folder: Path
) -> tuple[list[Round], list[Metric], dict[str, object]]:
    short = write_clips(_made(folder / "short"), [SHORT_S] * amount.short)
    long = write_clips(_made(folder / "long"), [LONGEST_S] * (AT_ONCE - 1))
    async with two_sides(official_asr(Path(settings.checkpoint)), Profile({MODEL: settings})) as sides:
        threads = choose_threads(sides.worker, clips)
        await transcriptions.all_of(sides.client, clips[:AT_ONCE], at_once=AT_ONCE)  # what is made once
        plan = Bench(sides.worker, threads, sides.client, clips, short, long)
        what = "A, ours alone, B, ours together, short clips beside long ones"
        rounds = await repeat(amount.rounds, what, lambda _: plan.round())
        recordings = write_recording(_made(folder / "recording"), long, amount.long_minutes)
        return rounds, await long_metrics(sides, recordings, amount), sides.facts(MODEL, settings, threads)


async def long_metrics(sides: Sides, recordings: Sequence[Clip], amount: Amount) -> list[Metric]:
    """A long recording whole, and its pieces one after another."""
    whole, *pieces = recordings
    process = psutil.Process(sides.server.pid)
    what = f"{amount.long_minutes:g} minutes, and their {len(pieces)} pieces"
    rounds = await repeat(amount.long_rounds, what, lambda _: long_round(sides.client, whole, pieces, process))
    return long_recording_metrics(rounds, whole, len(pieces))


def table(settings: AsrSettings, clips: Sequence[Clip], amount: Amount) -> list[Metric]:
    """Concurrency, throughput and time to the first token, without Triton."""
    requests = [AsrRequest(soundfile.read(clip.file, dtype="float32")[0]) for clip in clips]
    largest = max(amount.concurrencies)
    settings = settings.model_copy(update={"max_requests": largest})
    loop: EngineLoop[AsrRequest] = EngineLoop(AsrEngine(settings), max_queue=largest, max_wait_s=TIMEOUT_S)
    try:
        run_load(loop, requests[:2], 1)  # what is made once
        results = []
        for at_once in amount.concurrencies:
            console.print(f"{at_once} at once")
            count = max(len(requests), amount.heard_each * at_once)
            asked = [requests[index % len(requests)] for index in range(count)]
            results.append(run_load(loop, asked, at_once).metric())
        return results
    finally:
        loop.close(timeout_s=30)


def live_settings(profile: Profile, settings: AsrSettings) -> CaptionSettings:
    """The profile's for captions, on the same checkpoint."""
    captions = side_by_side.served(profile, "qwen3_asr_stream", CaptionSettings)
    return captions.model_copy(update={"checkpoint": settings.checkpoint})


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


if __name__ == "__main__":
    compare("asr", __doc__, bench, full=Amount(), quick=QUICK)
