"""POST /v1/realtime/client_secrets."""

import time
from typing import Any, Literal

from fastapi import APIRouter
from pydantic import Field

from qwen_gateway.body import check, documented, read_body
from qwen_gateway.context import ContextOf
from qwen_gateway.openai.bodies import OpenAIBody
from qwen_gateway.realtime.client_secrets import ClientSecrets
from qwen_gateway.realtime.json_socket import new_id
from qwen_gateway.realtime.session import Kind, first_session

router = APIRouter(prefix="/v1/realtime", tags=["OpenAI: realtime"])


class ExpiresAfter(OpenAIBody):
    anchor: Literal["created_at"] = "created_at"
    seconds: int = Field(default=600, ge=10, le=7200)


class FirstSession(OpenAIBody):
    """What decides which other fields a session has."""

    type: Kind = "realtime"
    model: str | None = None


class ClientSecretBody(OpenAIBody):
    expires_after: ExpiresAfter = ExpiresAfter()
    session: dict[str, Any] = Field(default_factory=dict, description="what the session is set to when it begins")


@router.post("/client_secrets", openapi_extra=documented(ClientSecretBody), response_model=None)
async def client_secrets(context: ContextOf) -> dict[str, Any]:
    """A token with which a browser can open one kind of session, for some minutes."""
    body = await read_body(context.request, ClientSecretBody)
    aliases = context.settings.aliases
    first = check(FirstSession, body.session)
    session = first_session(first.type, first.model, aliases).updated(body.session, aliases)
    expires_at = int(time.time()) + body.expires_after.seconds
    value = ClientSecrets(context.settings.secret_key).new(body.session, expires_at)
    return {"value": value, "expires_at": expires_at, "session": session.as_event(new_id("sess"))}
