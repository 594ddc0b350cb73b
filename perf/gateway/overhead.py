"""What a request costs more by way of the gateway than by the SDK: both by turns, one at a time."""

import time
from base64 import b64encode
from dataclasses import dataclass

import httpx2 as httpx

from qwen_client import AsyncClient

TEXT = "Good morning, everyone."


@dataclass(frozen=True)
class Turn:
    """Seconds of the same request on both ways."""

    sdk_s: float
    gateway_s: float

    @property
    def more_ms(self) -> float:
        return 1000 * (self.gateway_s - self.sdk_s)


async def transcription(client: AsyncClient, http: httpx.AsyncClient, sound: bytes, number: int) -> Turn:
    """`number` makes the request one that was not answered before."""
    context = f"request {number}"
    begun_s = time.perf_counter()
    await client.asr.transcribe(sound, context=context)
    sdk_s = time.perf_counter() - begun_s
    body = {"audio_data": b64encode(sound).decode(), "context": context}
    begun_s = time.perf_counter()
    answer = await http.post("/api/v1/asr/transcribe", json=body)
    gateway_s = time.perf_counter() - begun_s
    answer.raise_for_status()
    return Turn(sdk_s, gateway_s)


async def first_sound(client: AsyncClient, http: httpx.AsyncClient, number: int) -> Turn:
    """Until the first samples."""
    begun_s = time.perf_counter()
    async with client.tts.stream(TEXT, seed=number) as chunks:
        await anext(chunks)
        sdk_s = time.perf_counter() - begun_s
    body = {"text": TEXT, "seed": number, "streaming": True, "format": "pcm"}
    begun_s = time.perf_counter()
    async with http.stream("POST", "/api/v1/tts/synthesize", json=body) as answer:
        answer.raise_for_status()
        await anext(answer.aiter_raw())
        gateway_s = time.perf_counter() - begun_s
    return Turn(sdk_s, gateway_s)
