"""/v1/audio: transcriptions, translations, speech, voices."""

import asyncio
from contextlib import aclosing
from typing import Any, Literal

from fastapi import APIRouter
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from pydantic import Field, field_validator

from qwen_client import Transcription
from qwen_gateway.api import language_of
from qwen_gateway.body import FORM, Upload, documented, read_body
from qwen_gateway.context import Context, ContextOf
from qwen_gateway.errors import bad_request
from qwen_gateway.leaving import unless_left
from qwen_gateway.names import require_model
from qwen_gateway.openai.bodies import OpenAIBody
from qwen_gateway.openai.translation import in_english
from qwen_gateway.openai.voice_names import voice_name
from qwen_gateway.sound_encoder import MEDIA_TYPES, SoundFormat, encode_whole, encoded
from qwen_gateway.streaming import Parts, PartsResponse, base64_text, begun, event, event_response

router = APIRouter(prefix="/v1/audio", tags=["OpenAI: audio"])

Granularity = Literal["word", "segment"]
TEXT_FORMATS = {"text": "text/plain", "srt": "text/plain", "vtt": "text/plain"}
MAX_INPUT_CHARS = 4096


class TranscriptionBody(OpenAIBody):
    file: Upload
    model: str = "whisper-1"
    language: str | None = None
    languages: list[str] = Field(default=[], description="as LiveKit sends them; the first counts")
    prompt: str = ""
    keywords: list[str] = Field(default=[], description="words to expect")
    response_format: Literal["json", "text", "srt", "verbose_json", "vtt", "diarized_json"] = "json"
    temperature: float = Field(default=0.0, ge=0.0, le=1.0)
    timestamp_granularities: list[Granularity] = Field(default=[])
    stream: bool = False

    @field_validator("languages", "keywords", "timestamp_granularities", mode="before")
    @classmethod
    def _several(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value


class TranslationBody(OpenAIBody):
    file: Upload
    model: str = "whisper-1"
    prompt: str = ""
    response_format: Literal["json", "text", "srt", "verbose_json", "vtt"] = "json"
    temperature: float = Field(default=0.0, ge=0.0, le=1.0)


class SpeechBody(OpenAIBody):
    input: str = Field(min_length=1, max_length=MAX_INPUT_CHARS)
    model: str = "tts-1"
    voice: str | dict[str, Any] | None = None
    instructions: str = Field(default="", max_length=4096)
    response_format: SoundFormat = "mp3"
    speed: float = Field(default=1.0, ge=0.25, le=4.0)
    stream_format: Literal["audio", "sse"] = "audio"
    seed: int | None = Field(default=None, ge=0, lt=2**63, description="not OpenAI's: same seed, same sound")


@router.post("/transcriptions", openapi_extra=documented(TranscriptionBody, FORM), response_model=None)
async def transcriptions(context: ContextOf) -> Response:
    """Write down what is said in a recording."""
    body = await read_body(context.request, TranscriptionBody)
    require_model(context, body.model, "qwen3_asr")
    if body.response_format == "diarized_json":
        raise bad_request("response_format diarized_json: speakers are not told apart", param="response_format")
    heard = await context.ask(lambda client: client.asr.transcribe(body.file, **_asr_options(body)))
    if body.stream:
        return event_response(_deltas(heard), context.settings.keep_alive_s)
    return _transcription(heard, body)


@router.post("/translations", openapi_extra=documented(TranslationBody, FORM), response_model=None)
async def translations(context: ContextOf) -> Response:
    """Write down in English what is said in a recording."""
    body = await read_body(context.request, TranslationBody)
    require_model(context, body.model, "qwen3_asr")
    asked = TranscriptionBody(**body.model_dump())
    heard = await context.ask(lambda client: client.asr.transcribe(body.file, **_asr_options(asked)))
    told = await unless_left(context.request, in_english(context, heard))
    return _transcription(told, asked, "translate")


@router.post("/speech", openapi_extra=documented(SpeechBody), response_model=None)
async def speech(context: ContextOf) -> Response:
    """Speak a text: the file as it comes, or events that hold its parts."""
    body = await read_body(context.request, SpeechBody)
    require_model(context, body.model, "qwen3_tts")
    parts = await unless_left(context.request, begun(_sound(context, body)))
    if body.stream_format == "sse":
        return event_response(_sound_events(parts, len(body.input)), context.settings.keep_alive_s)
    return PartsResponse(parts, MEDIA_TYPES[body.response_format])


@router.get("/voices")
async def voices(context: ContextOf) -> dict[str, Any]:
    """Who can speak here, and the names of OpenAI's voices that stand for them."""
    known = await context.ask(lambda client: client.voices.list())
    names = [*known.speakers, *(voice.name for voice in known.voices), *context.settings.aliases.voices]
    return {"voices": [{"id": name, "name": name} for name in dict.fromkeys(names)]}


@router.get("/models")
async def audio_models(context: ContextOf) -> dict[str, Any]:
    """Names of models that speak or listen, as Open WebUI asks for them."""
    aliases = context.settings.aliases.models
    names = [name for name, model in aliases.items() if model in ("qwen3_asr", "qwen3_tts")]
    return {"models": [{"id": name} for name in ("qwen3_asr", "qwen3_tts", *names)]}


def _asr_options(body: TranscriptionBody) -> dict[str, Any]:
    timestamps = "word" if "word" in body.timestamp_granularities else "segment"
    language = body.language or next(iter(body.languages), None)
    context = " ".join([body.prompt, *body.keywords]).strip()
    return {
        "language": language_of(language),
        "context": context,
        "timestamps": timestamps,
        "temperature": body.temperature,
    }


def _transcription(heard: Transcription, body: TranscriptionBody, task: str = "transcribe") -> Response:
    match body.response_format:
        case "text":
            return PlainTextResponse(f"{heard.text}\n")
        case "srt" | "vtt":
            return PlainTextResponse(heard.as_subtitles(body.response_format))
        case "verbose_json":
            return JSONResponse(_verbose(heard, body, task))
    return JSONResponse({"text": heard.text, "usage": _duration_usage(heard), "languages": _languages(heard)})


def _languages(heard: Transcription) -> list[dict[str, Any]]:
    return [] if heard.language is None else [{"code": heard.language}]


def _duration_usage(heard: Transcription) -> dict[str, Any]:
    return {"type": "duration", "seconds": round(heard.duration_s, 3)}


def _verbose(heard: Transcription, body: TranscriptionBody, task: str) -> dict[str, Any]:
    """As Whisper's; what is not known of a segment (its probabilities) has neutral values."""
    segments = [
        {
            "id": number,
            "seek": 0,
            "start": round(segment.start_s, 3),
            "end": round(segment.end_s, 3),
            "text": segment.text,
            "tokens": [],
            "temperature": body.temperature,
            "avg_logprob": 0.0,
            "compression_ratio": 1.0,
            "no_speech_prob": 0.0,
        }
        for number, segment in enumerate(heard.segments or ())
    ]
    words = [
        {"word": one.text, "start": round(one.start_s, 3), "end": round(one.end_s, 3)} for one in heard.words or ()
    ]
    return {
        "task": task,
        "language": (heard.language or "").lower(),
        "duration": round(heard.duration_s, 3),
        "text": heard.text,
        "segments": segments,
        **({"words": words} if heard.words is not None else {}),
        "usage": _duration_usage(heard),
    }


async def _deltas(heard: Transcription) -> Parts:
    """A delta for each segment, then all of it."""
    for number, segment in enumerate(heard.segments or ()):
        text = segment.text if number == 0 else f" {segment.text}"
        yield event({"type": "transcript.text.delta", "delta": text})
    usage = {"type": "tokens", "input_tokens": 0, "output_tokens": 0, "total_tokens": 0}
    yield event({"type": "transcript.text.done", "text": heard.text, "usage": usage})


async def _sound(context: Context, body: SpeechBody) -> Parts:
    options: dict[str, Any] = {
        "voice": context.settings.aliases.voice(voice_name(body.voice)),
        "instruction": body.instructions,
        "seed": body.seed,
    }
    with context.upstream.server() as client:
        if body.speed == 1.0:
            stream = client.tts.stream(body.input, **options)
            async with stream as chunks, aclosing(encoded(chunks, body.response_format)) as parts:
                async for part in parts:
                    yield part
            return
        spoken = await client.tts.synthesize(body.input, **options)
        changed = await asyncio.to_thread(lambda: spoken.changed(speed=min(2.0, max(0.5, body.speed))))
        yield await asyncio.to_thread(encode_whole, changed.samples, changed.sample_rate, body.response_format)


async def _sound_events(parts: Parts, num_chars: int) -> Parts:
    async with aclosing(parts):
        async for part in parts:
            yield event({"type": "speech.audio.delta", "audio": base64_text(part)})
    usage = {"input_tokens": num_chars, "output_tokens": 0, "total_tokens": num_chars}
    yield event({"type": "speech.audio.done", "usage": usage})
