"""WS /api/v1/captions: captions of speech while it is spoken.

    ws://HOST/api/v1/captions?language=en&sample_rate=16000&channels=1

Audio goes up as binary frames of 16-bit little-endian PCM, or as {"audio": base64}; {"type": "finish"} ends it. Events
come down: {"type": "caption", "stable", "partial", …, "is_final"}, and {"type": "error", "error"} for frames that are
wrong.
"""

import asyncio
from typing import Any

from fastapi import APIRouter, WebSocket
from pydantic import Field

from qwen_client.captions import DEFAULT_SAMPLE_RATE
from qwen_gateway.api import AUTO, PREFIX, language_of
from qwen_gateway.body import Body, check
from qwen_gateway.errors import GatewayError, bad_request
from qwen_gateway.files import decoded
from qwen_gateway.realtime.json_socket import JsonSocket, OpenSockets
from qwen_gateway.realtime.task_scope import TaskScope
from qwen_gateway.settings import GatewaySettings
from qwen_gateway.upstream import Upstream
from qwen_wire.transcripts import Caption

router = APIRouter(prefix=PREFIX, tags=["speech recognition"])

MAX_WAITING = 64  # pieces of audio, received and not yet sent on
SAMPLE_BYTES = 2


class CaptionsQuery(Body):
    language: str = Field(default=AUTO, description="name, code or tag; auto: detected")
    context: str = Field(default="", max_length=10_000, description="words to expect, such as names")
    sample_rate: int = Field(default=DEFAULT_SAMPLE_RATE, description="Hz")
    channels: int = 1


@router.websocket("/captions")
async def captions(websocket: WebSocket) -> None:
    """Caption speech while it is spoken."""
    state = websocket.app.state
    settings: GatewaySettings = state.settings
    sockets: OpenSockets = state.open_sockets

    async def handle(socket: JsonSocket) -> None:
        query = check(CaptionsQuery, dict(websocket.query_params))
        audio: asyncio.Queue[bytes | None] = asyncio.Queue(MAX_WAITING)
        scope = TaskScope()
        scope.start(_read(socket, audio, settings.max_event_bytes))
        await scope.run(_caption(socket, audio, query, state.upstream))

    await sockets.serve(websocket, settings, handle)


async def _read(socket: JsonSocket, audio: asyncio.Queue[bytes | None], max_bytes: int) -> None:
    """Takes the audio out of its frames until the client leaves; frames that are wrong are told and left out."""
    while True:
        try:
            await audio.put(await _audio_of(await socket.receive(), max_bytes))
        except GatewayError as error:
            await socket.send_error(error)
            socket.charge()


async def _audio_of(frame: dict[str, Any] | bytes, max_bytes: int) -> bytes | None:
    """None: there will be no more."""
    if isinstance(frame, bytes):
        if len(frame) > max_bytes:
            raise bad_request(f"the frame has {len(frame)} bytes; the limit is {max_bytes}", code="too_large")
        return frame
    if frame.get("type") == "finish":
        return None
    if isinstance(frame.get("audio"), str):
        return await decoded(frame["audio"], "audio", max_bytes)
    raise bad_request('send audio, {"audio": base64} or {"type": "finish"}', code="unknown_event")


async def _caption(
    socket: JsonSocket, audio: asyncio.Queue[bytes | None], query: CaptionsQuery, upstream: Upstream
) -> None:
    with upstream.server() as client:
        session = client.asr.stream(
            language=language_of(query.language),
            context=query.context,
            sample_rate=query.sample_rate,
            channels=query.channels,
        )
        async with session:
            while (piece := await audio.get()) is not None:
                for caption in await session.feed(piece):
                    await socket.send(_event(caption))
            await socket.send(_event(await session.finish()))


def _event(caption: Caption) -> dict[str, Any]:
    return {"type": "caption", **caption.as_dict()}
