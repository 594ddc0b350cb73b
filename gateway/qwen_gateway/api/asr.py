"""POST /api/v1/asr/transcribe."""

import time
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from qwen_client import Transcription
from qwen_gateway.api import AUTO, PREFIX, language_of, milliseconds_since
from qwen_gateway.body import FORM, JSON, Body, Upload, documented, read_body
from qwen_gateway.context import ContextOf
from qwen_gateway.files import one_file

router = APIRouter(prefix=f"{PREFIX}/asr", tags=["speech recognition"])


class TranscribeOptions(Body):
    enable_timestamps: bool = Field(default=False, description="times of words")
    enable_itn: bool = Field(default=False, description="numbers and dates in figures")
    max_duration: float | None = Field(default=None, gt=0, description="seconds; longer recordings are refused")


class TranscribeBody(Body):
    """A recording: `audio_data` in base64, or the `file` of a form."""

    audio_data: str | None = Field(default=None, description="the recording in base64, or a data URI")
    audio_url: str | None = Field(default=None, description="https URL, where the setting remote_hosts has its host")
    file: Upload | None = Field(default=None, description="the recording, in a form")
    language: str = Field(default=AUTO, description="name, code or tag; auto: detected")
    context: str = Field(default="", description="words to expect, such as names")
    options: TranscribeOptions = TranscribeOptions()


class TimedText(BaseModel):
    text: str
    start: float
    end: float


class TranscribeAnswer(BaseModel):
    """Times in seconds, `processing_time` in milliseconds; `timestamps` are those of words."""

    text: str
    language: str | None
    processing_time: float
    timestamps: list[TimedText]
    segments: list[TimedText]
    duration: float


@router.post("/transcribe", response_model=TranscribeAnswer, openapi_extra=documented(TranscribeBody, JSON, FORM))
async def transcribe(context: ContextOf) -> Any:
    """Write down what is said in a recording."""
    begun_s = time.monotonic()
    body = await read_body(context.request, TranscribeBody)
    audio = await one_file(context, file=body.file, audio_data=body.audio_data, audio_url=body.audio_url)
    heard = await context.ask(
        lambda client: client.asr.transcribe(
            audio,
            language=language_of(body.language),
            context=body.context,
            timestamps="word" if body.options.enable_timestamps else "segment",
            itn=body.options.enable_itn,
            max_audio_s=body.options.max_duration,
        )
    )
    context.keep_answer()
    return _answer(heard, milliseconds_since(begun_s))


def _answer(heard: Transcription, processing_ms: float) -> TranscribeAnswer:
    return TranscribeAnswer(
        text=heard.text,
        language=heard.language,
        processing_time=processing_ms,
        timestamps=_timed(heard.words or ()),
        segments=_timed(heard.segments or ()),
        duration=round(heard.duration_s, 3),
    )


def _timed(parts: Any) -> list[TimedText]:
    return [TimedText(text=part.text, start=round(part.start_s, 3), end=round(part.end_s, 3)) for part in parts]
