"""Texts spoken by the server at `client`, and when their audio came: alone, all at once, or as they arrive."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from qwen_client import AsyncClient

SAMPLES_PER_FRAME = 1920
FRAMES_PER_S = 12.5


@dataclass(frozen=True)
class Spoken:
    """Times of one request on one clock; frames counted from the audio that came."""

    sent_s: float
    first_audio_s: float
    complete_s: float
    num_frames: int
    finish_reason: str

    @property
    def until_first_audio_s(self) -> float:
        return self.first_audio_s - self.sent_s

    @property
    def audio_s(self) -> float:
        return self.num_frames / FRAMES_PER_S


async def speak(client: AsyncClient, text: str, voice: str) -> Spoken:
    """Greedily."""
    sent_s = time.perf_counter()
    arrivals_s: list[float] = []
    num_samples = 0
    async with client.tts.stream(text, voice=voice, temperature=0.0) as chunks:
        async for chunk in chunks:
            arrivals_s.append(time.perf_counter())
            num_samples += len(chunk.samples)
        return Spoken(
            sent_s=sent_s,
            first_audio_s=arrivals_s[0],
            complete_s=time.perf_counter(),
            num_frames=num_samples // SAMPLES_PER_FRAME,
            finish_reason=chunks.finish_reason or "",
        )


async def one_after_another(client: AsyncClient, texts: Sequence[str], voice: str) -> list[Spoken]:
    return [await speak(client, text, voice) for text in texts]


async def all_at_once(client: AsyncClient, texts: Sequence[str], voice: str) -> list[Spoken]:
    return await asyncio.gather(*(speak(client, text, voice) for text in texts))


async def at_times(client: AsyncClient, texts: Sequence[str], arrivals_s: Sequence[float], voice: str) -> list[Spoken]:
    """Send text i at arrivals_s[i] from now, whatever is still under way."""
    begin_s = time.perf_counter()

    async def later(text: str, arrival_s: float) -> Spoken:
        await asyncio.sleep(begin_s + arrival_s - time.perf_counter())
        return await speak(client, text, voice)

    return await asyncio.gather(*(later(text, at_s) for text, at_s in zip(texts, arrivals_s, strict=True)))


def elapsed_s(spoken: Sequence[Spoken]) -> float:
    """From the first request sent to the last one complete."""
    return max(one.complete_s for one in spoken) - min(one.sent_s for one in spoken)


def total_frames(spoken: Sequence[Spoken]) -> int:
    return sum(one.num_frames for one in spoken)
