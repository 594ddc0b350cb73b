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
from perf.server import resident_mib
from perf.speech_requests import FRAMES_PER_S
from qwen_client import AsyncClient
from qwen_engine.tts.checkpoint import load_codec
from qwen_engine.tts.settings import TtsSettings

FRAMES_PER_MIN = int(60 * FRAMES_PER_S)
LETTERS_PER_MIN = 1200  # nobody speaks as fast
COST_GOAL = Goal(1.1, at_most=True)
MEMORY_GOAL = Goal(16.0, at_most=True)
CODEC_CHUNKS = (25, 1)
SERVER_CHUNK = 25  # frames; a minute ends with a chunk


@dataclass(frozen=True)
class Mark:
    """The start of a stream or the end of one of its minutes: clock, processor time and memory."""

    at_s: float
    processor_s: float
    resident_mib: float


@dataclass(frozen=True)
class LongStream:
    """The marks of a stream's start and of every whole minute."""

    marks: Sequence[Mark]
    finish_reason: str = "length"

    @property
    def minutes_s(self) -> list[float]:
        """What each minute of audio cost."""
        return [end.at_s - begin.at_s for begin, end in itertools.pairwise(self.marks)]

    @property
    def processor_minutes_s(self) -> list[float]:
        """The same without the time in which other programs had the processor."""
        return [end.processor_s - begin.processor_s for begin, end in itertools.pairwise(self.marks)]

    @property
    def growth_mib(self) -> float:
        """Since the end of the first minute, when all that is made once has been made."""
        return self.marks[-1].resident_mib - self.marks[1].resident_mib


class Watch:
    """Marks the minutes of a stream that `process` and its children work on."""

    def __init__(self, process: psutil.Process) -> None:
        self._process = process
        self.marks = [self._mark()]

    def reached(self, frames: int) -> None:
        """So many frames have come; a minute must end with a chunk."""
        if frames % FRAMES_PER_MIN == 0:
            self.marks.append(self._mark())

    def _mark(self) -> Mark:
        processes = [self._process, *self._process.children(recursive=True)]
        times = [process.cpu_times() for process in processes]
        return Mark(
            at_s=time.perf_counter(),
            processor_s=sum(one.user + one.system for one in times),
            resident_mib=resident_mib(self._process),
        )


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
    watch = Watch(server)
    async with client.tts.stream(text, voice=voice, temperature=0.0, chunk_frames=[SERVER_CHUNK]) as chunks:
        async for chunk in chunks:
            watch.reached(chunk.frames)
        return LongStream(watch.marks, chunks.finish_reason or "")


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
    watch = Watch(psutil.Process())
    for start in range(0, total, chunk):
        codec.decode(frames[:, start : start + chunk], slots).cpu()
        watch.reached(start + chunk)
    return LongStream(watch.marks)


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
    processor = [stream.processor_minutes_s[-1] / stream.processor_minutes_s[0] for stream in streams]
    each_s = [round(minute_s, 3) for minute_s in streams[0].minutes_s]
    detail = {**about, "minutes_s": each_s, "by_processor_time": spread(processor)}
    return ratio(name, last_s, first_s, "s a minute", COST_GOAL, **detail)


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
