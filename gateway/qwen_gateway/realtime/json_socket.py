"""A WebSocket that carries JSON events within bounds: of their size, their number and the time they take."""

import asyncio
import json
import logging
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import Any, TypeAlias

from fastapi import WebSocket
from fastapi.responses import JSONResponse
from starlette.websockets import WebSocketDisconnect

from qwen_gateway.errors import GatewayError, bad_request, body_of, error_body
from qwen_gateway.middleware import ClientLeft
from qwen_gateway.settings import GatewaySettings
from qwen_wire.errors import InvalidRequest
from qwen_wire.json_text import read_json_object

log = logging.getLogger(__name__)

LONG_CHARS = 32 << 10  # what is longer is read beside the event loop
MAX_EVENT_VALUES = 10_000
BURST_S = 10.0
ERROR_COST = 20.0  # an event that is wrong counts as so many
CLOSE_S = 1.0
NORMAL, GOING_AWAY, POLICY_VIOLATION, INTERNAL_ERROR = 1000, 1001, 1008, 1011

Handle: TypeAlias = Callable[["JsonSocket"], Awaitable[None]]


class SocketRefused(Exception):
    """The gateway ends the connection, with a WebSocket close code."""

    def __init__(self, code: int, error: GatewayError) -> None:
        super().__init__(str(error))
        self.code = code
        self.error = error


class OpenSockets:
    """How many WebSockets are open in this process."""

    def __init__(self, max_sockets: int) -> None:
        self._max_sockets = max_sockets
        self.num_open = 0

    async def serve(
        self, websocket: WebSocket, settings: GatewaySettings, handle: Handle, subprotocol: str | None = None
    ) -> None:
        """Open the connection, and close it when `handle` is through; what it raises is told to the client.

        Refused, with HTTP status 503, where there are too many.
        """
        if self.num_open >= self._max_sockets:
            body = error_body(HTTPStatus.SERVICE_UNAVAILABLE, "too many open WebSockets; try again", code="busy")
            await websocket.send_denial_response(JSONResponse(body, HTTPStatus.SERVICE_UNAVAILABLE))
            return
        self.num_open += 1
        socket = JsonSocket(websocket, settings)
        try:
            await websocket.accept(subprotocol)
            await handle(socket)
            await socket.close(NORMAL)
        except (ClientLeft, WebSocketDisconnect):
            await socket.close(GOING_AWAY)
        except SocketRefused as refused:
            await socket.fail(refused.error, refused.code)
        except Exception as failed:  # noqa: BLE001  # whatever it is, the client is told; our faults are logged
            await socket.fail(failed)
        finally:
            self.num_open -= 1


class JsonSocket:
    """Receives events and sends them; sends one at a time, from any task."""

    def __init__(self, websocket: WebSocket, settings: GatewaySettings) -> None:
        self._websocket = websocket
        self._settings = settings
        self._sending = asyncio.Lock()
        self._is_closed = False
        self._budget = BURST_S * settings.max_events_per_s
        self._told_s = time.monotonic()

    async def receive(self) -> dict[str, Any] | bytes:
        """The next event; the bytes of a binary frame.

        Raises:
            GatewayError: it is no event; the connection stays open.
            ClientLeft: there will be none.
            SocketRefused: the client is silent for too long, or sends too many events.
        """
        try:
            async with asyncio.timeout(self._settings.socket_idle_s):
                message = await self._websocket.receive()
        except TimeoutError:
            raise SocketRefused(GOING_AWAY, bad_request("nothing was sent for too long", code="idle")) from None
        if message["type"] == "websocket.disconnect":
            raise ClientLeft
        self.charge(1.0)
        if message.get("bytes") is not None:
            return bytes(message["bytes"])
        return await self._parsed(message.get("text") or "")

    async def _parsed(self, text: str) -> dict[str, Any]:
        bounds = {"max_bytes": self._settings.max_event_bytes, "max_values": MAX_EVENT_VALUES}
        try:
            if LONG_CHARS < len(text) <= self._settings.max_event_bytes:
                return await asyncio.to_thread(read_json_object, text, "the event", **bounds)
            return read_json_object(text, "the event", **bounds)
        except InvalidRequest as error:
            raise bad_request(str(error), code="invalid_json") from error

    def charge(self, cost: float = ERROR_COST) -> None:
        """Count an event, or an error. Raises `SocketRefused` where there are too many of them."""
        now_s = time.monotonic()
        rate = self._settings.max_events_per_s
        self._budget = min(BURST_S * rate, self._budget + (now_s - self._told_s) * rate) - cost
        self._told_s = now_s
        if self._budget < 0:
            raise SocketRefused(POLICY_VIOLATION, bad_request("too many events", code="rate_limit_exceeded"))

    async def send(self, event: Mapping[str, Any]) -> None:
        """Raises `ClientLeft` where the client has left, or does not read."""
        text = json.dumps(event, ensure_ascii=False)
        try:
            async with self._sending, asyncio.timeout(self._settings.send_timeout_s):
                if self._is_closed:
                    raise ClientLeft
                await self._websocket.send_text(text)
        except (TimeoutError, WebSocketDisconnect) as error:
            raise ClientLeft from error

    async def send_error(self, error: Exception) -> int:
        """Tell an error; its status."""
        status, body = body_of(error)
        await self.send({"type": "error", "event_id": new_id("event"), **body})
        return status

    async def fail(self, error: Exception, code: int | None = None) -> None:
        """Tell an error, and close."""
        status = HTTPStatus.INTERNAL_SERVER_ERROR.value
        with suppress(ClientLeft):
            status = await self.send_error(error)
        is_ours = status >= HTTPStatus.INTERNAL_SERVER_ERROR
        await self.close(code or (INTERNAL_ERROR if is_ours else POLICY_VIOLATION))

    async def close(self, code: int) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        try:
            async with asyncio.timeout(CLOSE_S):
                await self._websocket.close(code)
        except (TimeoutError, WebSocketDisconnect, RuntimeError):
            log.debug("a client has left already, or does not read")


def new_id(kind: str) -> str:
    return f"{kind}_{uuid.uuid4().hex}"
