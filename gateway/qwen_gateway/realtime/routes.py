"""WS /v1/realtime."""

from typing import Any

from fastapi import APIRouter, WebSocket
from fastapi.responses import JSONResponse

from qwen_gateway.errors import GatewayError, bad_request, body_of
from qwen_gateway.realtime.client_secrets import PREFIX, ClientSecrets
from qwen_gateway.realtime.connection import RealtimeConnection
from qwen_gateway.realtime.json_socket import JsonSocket, OpenSockets
from qwen_gateway.realtime.session import Session, first_session
from qwen_gateway.settings import GatewaySettings

router = APIRouter(prefix="/v1", tags=["OpenAI: realtime"])

SUBPROTOCOL = "realtime"
KEY_SUBPROTOCOL = "openai-insecure-api-key."  # how browsers, which set no headers, send their key


@router.websocket("/realtime")
async def realtime(websocket: WebSocket) -> None:
    """Speak with a model, or have speech written down."""
    state = websocket.app.state
    settings: GatewaySettings = state.settings
    sockets: OpenSockets = state.open_sockets
    try:
        fields = _session_of_secret(websocket, ClientSecrets(settings.secret_key))
    except GatewayError as error:
        await websocket.send_denial_response(JSONResponse(body_of(error)[1], error.status))
        return

    async def handle(socket: JsonSocket) -> None:
        session = _session(websocket, fields, settings)
        await RealtimeConnection(socket, settings, state.upstream, session).run()

    subprotocol = SUBPROTOCOL if SUBPROTOCOL in websocket.scope["subprotocols"] else None
    await sockets.serve(websocket, settings, handle, subprotocol)


def _session_of_secret(websocket: WebSocket, secrets: ClientSecrets) -> dict[str, Any]:
    """What a client secret sets; nothing without one. Raises `GatewayError` (401) where it is not valid."""
    key = websocket.headers.get("authorization", "").removeprefix("Bearer ").strip()
    for name in websocket.scope["subprotocols"]:
        if name.startswith(KEY_SUBPROTOCOL):
            key = name.removeprefix(KEY_SUBPROTOCOL)
    return secrets.open(key) if key.startswith(PREFIX) else {}


def _session(websocket: WebSocket, fields: dict[str, Any], settings: GatewaySettings) -> Session:
    query = websocket.query_params
    intent = query.get("intent")
    if intent not in (None, "transcription"):
        raise bad_request(f"intent is {intent[:80]!r}: the only one is 'transcription'", param="intent")
    kind = fields.get("type", "transcription" if intent else "realtime")
    model = fields.get("model") or query.get("model")
    return first_session(kind, model, settings.aliases).updated(fields, settings.aliases)
