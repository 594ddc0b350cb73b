"""Live captions: how many streams at the speed of speech one server holds, and what a long one costs.

The official way to caption is to write down all that was heard so far, anew with each chunk.
"""

import asyncio
import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import soundfile

from perf.asr.baseline import choose_threads, transcribe
from perf.asr.clips import SAMPLE_RATE_HZ, Clip, write_clips
from perf.baselines.worker import Worker, official_asr
from perf.metrics import Goal, Metric, ratio, spread
from perf.server import console, resident_mib
from perf.side_by_side import repeat, two_sides
from qwen_client import AsyncClient
from qwen_engine.asr.captions.settings import CaptionSettings
from qwen_server.profiles import Profile

CHUNK_S = 0.5
LIMIT_S = 0.5  # a step that takes longer comes after the next chunk
STREAM_S = 20.0
NUM_CLIPS = 16
FLAT = Goal(1.2, at_most=True)
MEMORY_GOAL = Goal(16.0, at_most=True)


@dataclass(frozen=True)
class LiveAmount:
    """How much is measured: growing numbers of streams, `rounds` times; one stream of `minutes`."""

    rounds: int
    concurrencies: Sequence[int]
    minutes: int


@dataclass(frozen=True)
class LiveLoad:
    """`num_streams` at once: seconds from when a chunk was spoken to its caption."""

    num_streams: int
    latencies_s: Sequence[float]

    @property
    def p95_s(self) -> float:
        return float(np.percentile(self.latencies_s, 95))


async def live_metrics(settings: CaptionSettings, folder: Path, amount: LiveAmount) -> list[Metric]:
    """Our server and the naive way by turns, then the long stream; `settings` name the checkpoint's folder."""
    clips = write_clips(folder, [STREAM_S] * NUM_CLIPS)
    async with two_sides(official_asr(Path(settings.checkpoint)), Profile({"qwen3_asr_stream": settings})) as sides:
        num_threads = choose_threads(sides.worker, clips).sequential

        async def next_round(number: int) -> tuple[list[LiveLoad], float]:
            loads = await growing_load(sides.client, clips, amount.concurrencies)
            return loads, naive_cost_s(sides.worker, clips[number % len(clips)], folder, num_threads)

        rounds = await repeat(amount.rounds, "live streams, the naive way", next_round)
        console.print(f"live: one stream of {amount.minutes} minutes")
        long = await long_session(sides.client, clips, amount.minutes, psutil.Process(sides.server.pid))
    loads, naive_s = zip(*rounds, strict=True)
    return [streams_metric(loads, naive_s), *long]


async def growing_load(client: AsyncClient, clips: Sequence[Clip], sizes: Sequence[int]) -> list[LiveLoad]:
    """As many streams as `sizes` say, up to the first that is late."""
    loads: list[LiveLoad] = []
    for size in sizes:
        loads.append(await live_load(client, [clips[index % len(clips)] for index in range(size)]))
        if loads[-1].p95_s >= LIMIT_S:
            break
    return loads


async def live_load(client: AsyncClient, clips: Sequence[Clip]) -> LiveLoad:
    """Every clip as a stream of its own; their chunks come evenly spread over time."""
    starts_s = [CHUNK_S * index / len(clips) for index in range(len(clips))]
    begin_s = time.perf_counter()
    streams = (_live(client, clip, begin_s + start_s) for clip, start_s in zip(clips, starts_s, strict=True))
    latencies_s = await asyncio.gather(*streams)
    return LiveLoad(len(clips), list(itertools.chain.from_iterable(latencies_s)))


def naive_cost_s(worker: Worker, clip: Clip, folder: Path, num_threads: int) -> float:
    """Seconds a chunk, where each is answered by writing down all of the clip up to there."""
    samples = soundfile.read(clip.file, dtype="float32")[0]
    prefixes = []
    for end in range(int(CHUNK_S * SAMPLE_RATE_HZ), len(samples) + 1, int(CHUNK_S * SAMPLE_RATE_HZ)):
        file = folder / f"until-{end}.wav"
        soundfile.write(file, samples[:end], SAMPLE_RATE_HZ)
        prefixes.append(Clip(file, end / SAMPLE_RATE_HZ))
    return float(np.mean([transcribe(worker, [prefix], num_threads).elapsed_s for prefix in prefixes]))


def streams_metric(rounds: Sequence[Sequence[LiveLoad]], naive_s: Sequence[float]) -> Metric:
    """The largest number of streams in time. The naive way holds as many as its chunks fit into a chunk's time."""
    ours = [float(max((load.num_streams for load in one if load.p95_s < LIMIT_S), default=0)) for one in rounds]
    theirs = [CHUNK_S / cost_s for cost_s in naive_s]
    p95_ms = {load.num_streams: round(1000 * load.p95_s) for load in rounds[0]}
    return ratio("live_streams_vs_naive", ours, theirs, "streams", Goal(1.0), chunk_s=CHUNK_S, p95_ms=p95_ms)


async def long_session(
    client: AsyncClient, clips: Sequence[Clip], minutes: int, server: psutil.Process
) -> list[Metric]:
    """One stream of `minutes`, fed as fast as it is answered: what a minute costs, and the server's memory."""
    speech = np.concatenate([soundfile.read(clip.file, dtype="float32")[0] for clip in clips])
    minute = np.resize(speech, 60 * SAMPLE_RATE_HZ)
    marks = [(time.perf_counter(), resident_mib(server))]
    async with client.asr.stream(chunk_s=CHUNK_S) as captions:
        for _ in range(minutes):
            await captions.feed(minute)
            marks.append((time.perf_counter(), resident_mib(server)))
        await captions.finish()
    return long_metrics(marks)


def long_metrics(marks: Sequence[tuple[float, float]]) -> list[Metric]:
    """`marks`: clock and memory (MiB) at the start and after each minute."""
    costs_s = [end - begin for (begin, _), (end, _) in itertools.pairwise(marks)]
    growth_mib = marks[-1][1] - marks[1][1]
    detail = {"minutes": len(costs_s), "step_ms": spread([1000 * cost_s * CHUNK_S / 60 for cost_s in costs_s])}
    return [
        Metric("live_cost_last_vs_second_minute", costs_s[-1] / costs_s[1], "ratio", FLAT, detail),
        Metric("live_memory_growth", growth_mib, "MiB", MEMORY_GOAL, {"minutes": len(costs_s)}),
    ]


async def _live(client: AsyncClient, clip: Clip, begin_s: float) -> list[float]:
    samples = soundfile.read(clip.file, dtype="float32")[0]
    chunk = int(CHUNK_S * SAMPLE_RATE_HZ)
    latencies_s = []
    async with client.asr.stream(chunk_s=CHUNK_S) as captions:
        for number in range(len(samples) // chunk):
            spoken_s = begin_s + (number + 1) * CHUNK_S
            await asyncio.sleep(max(0.0, spoken_s - time.perf_counter()))
            await captions.feed(samples[number * chunk : (number + 1) * chunk])
            latencies_s.append(time.perf_counter() - spoken_s)
        await captions.finish()
    return latencies_s
