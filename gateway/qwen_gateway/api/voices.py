"""/api/v1/voices: who can speak, and voices that are added with consent."""

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from qwen_gateway.api import PREFIX
from qwen_gateway.body import FORM, JSON, Body, Upload, documented, read_body
from qwen_gateway.context import ContextOf
from qwen_gateway.files import one_file
from qwen_wire.messages import to_dict

router = APIRouter(prefix=f"{PREFIX}/voices", tags=["voices"])


class AddBody(Body):
    """A recording of the voice: `audio_data` in base64, or the `file` of a form."""

    name: str = Field(min_length=1, max_length=100)
    consent: str = Field(min_length=1, max_length=1000, description="who allowed the use of the voice")
    reference_text: str = Field(default="", description="what is said in the recording: gives the closest voice")
    file: Upload | None = None
    audio_data: str | None = None


class Voices(BaseModel):
    """`speakers` of the model, and `voices` that were added."""

    speakers: list[str]
    voices: list[dict[str, Any]]


@router.get("", response_model=Voices)
async def voices(context: ContextOf) -> Any:
    """Who can speak here."""
    known = await context.ask(lambda client: client.voices.list())
    return Voices(speakers=list(known.speakers), voices=[to_dict(voice) for voice in known.voices])


@router.post("", status_code=201, openapi_extra=documented(AddBody, JSON, FORM))
async def add(context: ContextOf) -> dict[str, Any]:
    """Keep the voice of a recording under a name."""
    body = await read_body(context.request, AddBody)
    audio = await one_file(context, file=body.file, audio_data=body.audio_data)
    added = await context.ask(
        lambda client: client.voices.add(body.name, audio, consent=body.consent, reference_text=body.reference_text)
    )
    return to_dict(added)


@router.delete("/{name}")
async def remove(name: str, context: ContextOf) -> dict[str, str]:
    """Forget a voice."""
    return {"removed": await context.ask(lambda client: client.voices.remove(name))}
