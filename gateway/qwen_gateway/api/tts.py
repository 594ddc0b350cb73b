"""POST /api/v1/tts/synthesize."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from qwen_client import Speech
from qwen_gateway.api import AUTO, PREFIX, language_of, milliseconds_since
from qwen_gateway.body import Body, documented, read_body
from qwen_gateway.context import Context, ContextOf
from qwen_gateway.leaving import unless_left
from qwen_gateway.sound_encoder import MEDIA_TYPES, SoundFormat, encode_whole, encoded
from qwen_gateway.streaming import EVENT_STREAM, Parts, PartsResponse, base64_text, begun, event, event_response

router = APIRouter(prefix=f"{PREFIX}/tts", tags=["speech synthesis"])


class VoiceConfig(Body):
    voice_type: Literal["preset", "stored", "designed"] = Field(
        default="preset", description="a speaker of the model, a voice that was added, or one designed from `emotion`"
    )
    voice_id: str | None = Field(default=None, description="name of the speaker or voice; none: the first speaker")
    emotion: str | None = Field(default=None, max_length=1000, description="how it is spoken, in words")
    speed: float = Field(default=1.0, ge=0.5, le=2.0)
    pitch: float = Field(default=1.0, ge=0.5, le=2.0)


class SynthesizeBody(Body):
    text: str = Field(min_length=1)
    language: str = Field(default=AUTO, description="name, code or tag; auto: by the text")
    voice_config: VoiceConfig = VoiceConfig()
    streaming: bool = Field(
        default=False, description="chunks of the file as they come; with `Accept: text/event-stream`, events"
    )
    format: SoundFormat = "wav"
    seed: int | None = Field(default=None, ge=0, lt=2**63, description="same seed, same sound; none: a random one")


class SynthesizeAnswer(BaseModel):
    """`audio_data` in base64, `duration` in seconds, `synthesis_time` in milliseconds, `sample_rate` in Hz."""

    audio_data: str
    duration: float
    synthesis_time: float
    sample_rate: int


@router.post("/synthesize", response_model=SynthesizeAnswer, openapi_extra=documented(SynthesizeBody))
async def synthesize(context: ContextOf) -> Any:
    """Speak a text."""
    begun_s = time.monotonic()
    body = await read_body(context.request, SynthesizeBody)
    if body.streaming and _is_plain(body.voice_config):
        return await _stream(context, body)
    speech = await context.ask(lambda client: client.tts.synthesize(body.text, **_options(context, body)))
    changed = await asyncio.to_thread(_changed, speech, body.voice_config)
    data = await asyncio.to_thread(encode_whole, changed.samples, changed.sample_rate, body.format)
    if body.streaming:
        return await _respond(context, body, _whole(data))
    if body.seed is not None:
        context.keep_answer()
    return SynthesizeAnswer(
        audio_data=base64_text(data),
        duration=round(changed.duration_s, 3),
        synthesis_time=milliseconds_since(begun_s),
        sample_rate=changed.sample_rate,
    )


async def _stream(context: Context, body: SynthesizeBody) -> PartsResponse:
    return await _respond(context, body, _encoded(context, body))


async def _respond(context: Context, body: SynthesizeBody, parts: Parts) -> PartsResponse:
    parts = await unless_left(context.request, begun(parts))
    if EVENT_STREAM in context.request.headers.get("accept", ""):
        return event_response(_events(parts), context.settings.keep_alive_s)
    return PartsResponse(parts, MEDIA_TYPES[body.format])


async def _chunks(context: Context, body: SynthesizeBody) -> AsyncGenerator[Any, None]:
    with context.upstream.server() as client:
        async with client.tts.stream(body.text, **_options(context, body)) as chunks:
            async for chunk in chunks:
                yield chunk


async def _encoded(context: Context, body: SynthesizeBody) -> Parts:
    async with aclosing(_chunks(context, body)) as chunks, aclosing(encoded(chunks, body.format)) as parts:
        async for part in parts:
            yield part


async def _whole(data: bytes) -> Parts:
    yield data


async def _events(parts: Parts) -> Parts:
    async with aclosing(parts):
        async for part in parts:
            yield event({"type": "audio", "audio": base64_text(part)})
    yield event({"type": "done"})


def _options(context: Context, body: SynthesizeBody) -> dict[str, Any]:
    voice = body.voice_config
    return {
        "voice": context.settings.aliases.voice(voice.voice_id),
        "instruction": voice.emotion or "",
        "language": language_of(body.language),
        **({} if body.seed is None else {"seed": body.seed}),
    }


def _is_plain(voice: VoiceConfig) -> bool:
    """Whether the sound can be sent as it is made: speed and pitch are changed of the whole."""
    return voice.speed == voice.pitch == 1.0


def _changed(speech: Speech, voice: VoiceConfig) -> Speech:
    return speech if _is_plain(voice) else speech.changed(speed=voice.speed, pitch=voice.pitch)
