"""Clips transcribed by the server at `client`: one at a time, or at a fixed concurrency."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from perf.asr.clips import Clip
from qwen_client import AsyncClient


@dataclass(frozen=True)
class TranscriptionTimes:
    """Times of one request on one clock."""

    sent_s: float
    complete_s: float
    duration_s: float
    text: str

    @property
    def latency_s(self) -> float:
        return self.complete_s - self.sent_s


async def transcribe(client: AsyncClient, clip: Clip, max_new_tokens: int | None = None) -> TranscriptionTimes:
    """Greedily, the language to be detected."""
    sent_s = time.perf_counter()
    result = await client.asr.transcribe(clip.file, max_new_tokens=max_new_tokens)
    return TranscriptionTimes(sent_s, time.perf_counter(), clip.duration_s, result.text)


async def all_of(client: AsyncClient, clips: Sequence[Clip], at_once: int) -> list[TranscriptionTimes]:
    """In their order, `at_once` of them always under way."""
    left = iter(enumerate(clips))
    transcriptions: dict[int, TranscriptionTimes] = {}

    async def work() -> None:
        for index, clip in left:
            transcriptions[index] = await transcribe(client, clip)

    await asyncio.gather(*(work() for _ in range(at_once)))
    return [transcriptions[index] for index in range(len(clips))]


async def beside(client: AsyncClient, clips: Sequence[Clip], others: Sequence[Clip]) -> list[TranscriptionTimes]:
    """`clips` one after another, while each of `others` is sent again as soon as it is done."""
    stopping = asyncio.Event()

    async def keep_busy(clip: Clip) -> None:
        while not stopping.is_set():
            await transcribe(client, clip)

    busy = [asyncio.create_task(keep_busy(clip)) for clip in others]
    transcriptions = [await transcribe(client, clip) for clip in clips]
    stopping.set()
    await asyncio.gather(*busy)
    return transcriptions


def rate(transcriptions: Sequence[TranscriptionTimes]) -> float:
    """Seconds of audio transcribed in a second."""
    elapsed_s = max(one.complete_s for one in transcriptions) - min(one.sent_s for one in transcriptions)
    return sum(one.duration_s for one in transcriptions) / elapsed_s
