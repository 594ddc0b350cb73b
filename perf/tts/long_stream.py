"""Ten minutes of speech in one stream: does the last minute cost what the first did, does memory stay flat?

Twice: one request through the server, and the codec alone on the same kind of codes.
"""

import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
import torch

from perf.metrics import Goal, Metric, ratio, spread
from perf.speaking import FRAMES_PER_S
from qwen_client import AsyncClient
from qwen_engine.settings import TtsSettings
from qwen_engine.tts.checkpoint import load_codec

FRAMES_PER_MIN = int(60 * FRAMES_PER_S)
LETTERS_PER_MIN = 1200  # nobody speaks as fast
MIB = 1 << 20
COST_GOAL = Goal(1.1, at_most=True)
MEMORY_GOAL = Goal(16.0, at_most=True)
CODEC_CHUNKS = (25, 1)


@dataclass(frozen=True)
class Mark:
    """So much of a stream had come, so long after its start, and so much memory was resident then."""

    frames: int
    at_s: float
    resident_mib: float


@dataclass(frozen=True)
class LongStream:
    marks: Sequence[Mark]
    finish_reason: str = "length"

    @property
    def num_frames(self) -> int:
        return self.marks[-1].frames

    @property
    def minutes_s(self) -> list[float]:
        """What each whole minute of audio cost."""
        ends_s = [self._at(minute * FRAMES_PER_MIN).at_s for minute in range(self.num_frames // FRAMES_PER_MIN + 1)]
        return [end_s - begin_s for begin_s, end_s in itertools.pairwise(ends_s)]

    @property
    def growth_mib(self) -> float:
        """Since the end of the first minute, when all that is made once has been made."""
        return self.marks[-1].resident_mib - self._at(FRAMES_PER_MIN).resident_mib

    def _at(self, frames: int) -> Mark:
        return next(mark for mark in self.marks if mark.frames >= frames)


def long_settings(settings: TtsSettings, texts: Sequence[str], minutes: int) -> TtsSettings:
    """Limits that let so long a stream through, each of `texts` a piece of its own."""
    limits = {
        "max_audio_s": 60.0 * minutes,
        "max_text_chars": len(long_text(texts, minutes)),
        "max_piece_chars": max(len(text) for text in texts),
    }
    return settings.model_copy(update=limits)


def long_text(texts: Sequence[str], minutes: int) -> str:
    """More than `minutes` take, the same sentences over and over.

    Without the shortest of `texts`, which come in turns of short and long: it would fit into a piece with its
    neighbour.
    """
    repeated = [text for text in texts if text != min(texts, key=len)]
    times = minutes * LETTERS_PER_MIN // sum(len(text) for text in repeated) + 1
    return " ".join(repeated * times)


async def through_server(client: AsyncClient, text: str, voice: str, server: psutil.Process) -> LongStream:
    """One request that ends at the server's `max_audio_s`."""
    begin_s = time.perf_counter()
    marks = [Mark(0, 0.0, resident_mib(server))]
    async with client.tts.stream(text, voice=voice, temperature=0.0) as chunks:
        async for chunk in chunks:
            at_s = time.perf_counter() - begin_s
            begins_minute = chunk.frames // FRAMES_PER_MIN > marks[-1].frames // FRAMES_PER_MIN
            memory_mib = resident_mib(server) if begins_minute else marks[-1].resident_mib
            marks.append(Mark(chunk.frames, at_s, memory_mib))
        return LongStream(marks, chunks.finish_reason or "")


def through_codec(settings: TtsSettings, codes: Sequence[Sequence[int]], minutes: int, chunk: int) -> LongStream:
    """The codec alone, `chunk` frames at a time, on `codes` (frames, groups) over and over."""
    torch.set_num_threads(settings.num_threads)
    dtype = getattr(torch, settings.dtype)
    codec = load_codec(Path(settings.checkpoint), dtype=dtype, device=settings.device, num_slots=1)
    frames = torch.tensor(codes, device=codec.device)
    total = minutes * FRAMES_PER_MIN
    frames = frames.repeat(total // len(frames) + 1, 1)[None, :total]
    slots = torch.zeros(1, dtype=torch.int64, device=codec.device)
    codec.decode(frames[:, :chunk], slots)  # what is made once
    codec.reset(0)
    process, begin_s = psutil.Process(), time.perf_counter()
    marks = [Mark(0, 0.0, resident_mib(process))]
    for start in range(0, total, chunk):
        codec.decode(frames[:, start : start + chunk], slots).cpu()
        marks.append(Mark(start + chunk, time.perf_counter() - begin_s, resident_mib(process)))
    return LongStream(marks)


def resident_mib(process: psutil.Process) -> float:
    """Of `process` and its children."""
    return sum(one.memory_info().rss for one in (process, *process.children(recursive=True))) / MIB


def engine_metrics(streams: Sequence[LongStream]) -> list[Metric]:
    return [cost("stream_cost_last_vs_first_minute", streams), memory("stream_resident_memory_growth", streams)]


def codec_metrics(streams: Sequence[LongStream], chunk: int) -> list[Metric]:
    name = f"codec_stream_cost_last_vs_first_minute_chunk{chunk}"
    return [cost(name, streams), memory(f"codec_resident_memory_growth_chunk{chunk}", streams)]


def cost(name: str, streams: Sequence[LongStream]) -> Metric:
    """Ours is the last whole minute, theirs the first."""
    shortest = min(len(stream.minutes_s) for stream in streams)
    about = {"minutes": shortest, "finish_reasons": sorted({stream.finish_reason for stream in streams})}
    if shortest < 2:
        return Metric(name, None, "ratio", COST_GOAL, {**about, "why": "the stream ended within two minutes"})
    first_s, last_s = ([stream.minutes_s[at] for stream in streams] for at in (0, -1))
    each_s = [round(minute_s, 3) for minute_s in streams[0].minutes_s]
    return ratio(name, last_s, first_s, "s a minute", COST_GOAL, **about, minutes_s=each_s)


def memory(name: str, streams: Sequence[LongStream]) -> Metric:
    if any(len(stream.minutes_s) < 2 for stream in streams):
        return Metric(name, None, "MiB", MEMORY_GOAL, {"why": "the stream ended within two minutes"})
    growths_mib = [stream.growth_mib for stream in streams]
    figures = spread(growths_mib)
    at_end_mib = round(streams[0].marks[-1].resident_mib)
    return Metric(
        name,
        figures["median"],
        "MiB",
        MEMORY_GOAL,
        {**figures, "repetitions": len(streams), "resident_at_end_mib": at_end_mib},
    )
