"""/v1/audio/voices and /v1/audio/voice_consents: voices of recordings, and who allowed their use.

A consent is kept nowhere: its id is a signed token that says who consented, and the store of voices notes that.
"""

import hashlib
import time
from typing import Any, Literal

from fastapi import APIRouter
from pydantic import Field

from qwen_gateway.body import FORM, Upload, documented, read_body
from qwen_gateway.context import Context, ContextOf
from qwen_gateway.errors import bad_request
from qwen_gateway.openai.bodies import OpenAIBody
from qwen_gateway.signed_tokens import BadToken, SignedTokens

router = APIRouter(prefix="/v1/audio", tags=["OpenAI: voices"])

PREFIX = "cons_"
DIGEST_CHARS = 16


class ConsentBody(OpenAIBody):
    name: str = Field(min_length=1, max_length=200)
    language: str = Field(min_length=2, max_length=35)
    recording: Upload = Field(description="in which the speaker says that they consent")


class VoiceBody(OpenAIBody):
    name: str = Field(min_length=1, max_length=100)
    consent: str = Field(min_length=1, max_length=4096, description="the id of a consent")
    audio_sample: Upload
    type: Literal["audio_sample"] = "audio_sample"


@router.post("/voice_consents", openapi_extra=documented(ConsentBody, FORM), response_model=None)
async def add_consent(context: ContextOf) -> dict[str, Any]:
    """Note a consent; its id goes with the recording of a voice."""
    body = await read_body(context.request, ConsentBody)
    digest = hashlib.sha256(body.recording).hexdigest()[:DIGEST_CHARS]
    told = {"name": body.name, "language": body.language, "created_at": int(time.time()), "recording": digest}
    return _consent(_tokens(context).new(told), told)


@router.get("/voice_consents/{consent_id}")
async def consent(consent_id: str, context: ContextOf) -> dict[str, Any]:
    """What a consent says."""
    return _consent(consent_id, _opened(context, consent_id))


@router.post("/voices", openapi_extra=documented(VoiceBody, FORM), response_model=None)
async def add_voice(context: ContextOf) -> dict[str, Any]:
    """Keep the voice of a recording under a name, by which speech can be asked for."""
    body = await read_body(context.request, VoiceBody)
    told = _opened(context, body.consent)
    note = f"{told['name']} ({told['language']}), recording {told['recording']}"
    added = await context.ask(lambda client: client.voices.add(body.name, body.audio_sample, consent=note))
    return {
        "id": added.name,
        "object": "audio.voice",
        "name": added.name,
        "type": "audio_sample",
        "created_at": int(time.time()),
    }


@router.delete("/voices/{name}")
async def remove_voice(name: str, context: ContextOf) -> dict[str, Any]:
    """Forget a voice."""
    removed = await context.ask(lambda client: client.voices.remove(name))
    return {"id": removed, "object": "audio.voice.deleted", "deleted": True}


def _tokens(context: Context) -> SignedTokens:
    return SignedTokens(context.settings.secret_key, PREFIX)


def _opened(context: Context, consent_id: str) -> dict[str, Any]:
    try:
        return _tokens(context).open(consent_id)
    except BadToken as error:
        raise bad_request("consent is none of this gateway's", param="consent", code="invalid_consent") from error


def _consent(consent_id: str, told: dict[str, Any]) -> dict[str, Any]:
    fields = {name: told[name] for name in ("name", "language", "created_at")}
    return {"id": consent_id, "object": "audio.voice_consent", **fields}
