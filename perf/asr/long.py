"""A long recording against its pieces: the time it takes whole and piece by piece, and the memory it leaves.

The pieces are those the engine cuts it into, each sent as a request of its own, one after another.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import soundfile

from perf.asr import transcriptions
from perf.asr.clips import SAMPLE_RATE_HZ, Clip
from perf.metrics import Goal, Metric, ratio
from perf.server import console, resident_mib
from qwen_client import AsyncClient
from qwen_engine.asr.request import AsrRequest

COST = Goal(1.2, at_most=True)
MEMORY_GOAL = Goal(16.0, at_most=True)
SETTLED = 3


@dataclass(frozen=True)
class LongRound:
    """Seconds for the recording, and for its pieces; what the server holds afterwards."""

    whole_s: float
    pieces_s: float
    server_mib: float


def write_recording(folder: Path, clips: Sequence[Clip], minutes: float) -> list[Clip]:
    """A recording of `clips` over and over, then the pieces of it."""
    speech = np.concatenate([soundfile.read(clip.file, dtype="float32")[0] for clip in clips])
    samples = np.resize(speech, int(60 * minutes) * SAMPLE_RATE_HZ)
    parts = [samples, *(samples[span.start : span.end] for span in AsrRequest(samples).spans)]
    return [_written(folder / f"{index:03}.wav", part) for index, part in enumerate(parts)]


async def long_round(client: AsyncClient, whole: Clip, pieces: Sequence[Clip], server: psutil.Process) -> LongRound:
    recording = await transcriptions.transcribe(client, whole)
    parts = await transcriptions.all_of(client, pieces, at_once=1)
    console.print(f"{whole.duration_s / 60:.0f} minutes in {recording.latency_s:.1f} s")
    return LongRound(recording.latency_s, sum(part.latency_s for part in parts), resident_mib(server))


def long_recording_metrics(rounds: Sequence[LongRound], whole: Clip, num_pieces: int) -> list[Metric]:
    """The memory is that after the last round, less that after the third: Triton has its buffers by then."""
    figures = {"minutes": round(whole.duration_s / 60, 1), "pieces": num_pieces}
    whole_s, pieces_s = ([getattr(one, f"{name}_s") for one in rounds] for name in ("whole", "pieces"))
    growth_mib = rounds[-1].server_mib - rounds[:SETTLED][-1].server_mib
    return [
        ratio("long_recording_vs_pieces", whole_s, pieces_s, "s", COST, **figures),
        Metric("long_recording_memory_growth", growth_mib, "MiB", MEMORY_GOAL, {"rounds": len(rounds), **figures}),
    ]


def _written(file: Path, samples: np.ndarray) -> Clip:
    soundfile.write(file, samples, SAMPLE_RATE_HZ)
    return Clip(file, len(samples) / SAMPLE_RATE_HZ)
