"""What holds for every request, as plain ASGI: an id, a bounded body, a bounded number of them, one form of errors."""

import asyncio
import logging
import re
import uuid
from http import HTTPStatus

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from qwen_gateway.errors import GatewayError, error_response
from qwen_gateway.settings import GatewaySettings

log = logging.getLogger(__name__)

REQUEST_ID = "x-request-id"
REQUEST_ID_FORM = re.compile(r"[\w.:-]{1,128}", re.ASCII)


class RequestIds:
    """Every response has `x-request-id`: the caller's own, where it has the form of one."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(REQUEST_ID, "")
        request_id = given if REQUEST_ID_FORM.fullmatch(given) else uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id

        async def send_with_id(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.accept"):
                MutableHeaders(scope=message)[REQUEST_ID] = request_id
            await send(message)

        await self._app(scope, receive, send_with_id)


class Guard:
    """The last word on errors, and bounds that come before any work: requests in progress, size and time of a body,
    time that a caller takes to read."""

    def __init__(self, app: ASGIApp, settings: GatewaySettings) -> None:
        self._app = app
        self._settings = settings
        self._num_open = 0
        self._memory = _BodyMemory(settings.max_held_bytes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = _Answer(send, self._settings.send_timeout_s)
        body = _Body(receive, _max_bytes(scope, self._settings), self._settings.body_timeout_s, self._memory)
        self._num_open += 1
        try:
            self._admit(scope)
            await self._app(scope, body, answer)
        except ClientLeft:
            log.debug("a caller left")
        except Exception as error:
            if not answer.has_begun:
                await error_response(error)(scope, receive, answer)
            elif not answer.is_complete:
                log.exception("a request failed after its answer had begun")
                raise  # so that the connection is cut: the answer is no whole one
        finally:
            self._num_open -= 1
            self._memory.give_back(body.num_bytes)

    def _admit(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        if self._num_open > self._settings.max_open_requests:
            raise GatewayError(HTTPStatus.SERVICE_UNAVAILABLE, "too many requests in progress; try again", code="busy")
        if headers.get("content-encoding", "identity").lower() != "identity":
            raise GatewayError(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "content-encoding: send the body as it is", code="content_encoding"
            )
        length = headers.get("content-length", "0")
        if not length.isascii() or not length.isdigit():
            raise GatewayError(HTTPStatus.BAD_REQUEST, "content-length is no number")
        if len(length) > len(str(2**63)) or int(length) > _max_bytes(scope, self._settings):
            raise _too_large(_max_bytes(scope, self._settings))


class _BodyMemory:
    """The bytes of all bodies in progress, of which there are `max_bytes` at most."""

    def __init__(self, max_bytes: int) -> None:
        self._left = max_bytes

    def take(self, num_bytes: int) -> None:
        """Raises `GatewayError` (503) where there is no room."""
        if num_bytes > self._left:
            raise GatewayError(HTTPStatus.SERVICE_UNAVAILABLE, "too much is being sent; try again", code="busy")
        self._left -= num_bytes

    def give_back(self, num_bytes: int) -> None:
        self._left += num_bytes


class _Body:
    """Receives a body within its bounds: size, pauses, and the memory of all."""

    def __init__(self, receive: Receive, max_bytes: int, timeout_s: float, memory: _BodyMemory) -> None:
        self._receive = receive
        self._max_bytes = max_bytes
        self._timeout_s = timeout_s
        self._memory = memory
        self._is_complete = False
        self.num_bytes = 0

    async def __call__(self) -> Message:
        if self._is_complete:  # what is still to come is the caller's leaving
            return await self._receive()
        try:
            async with asyncio.timeout(self._timeout_s):
                message = await self._receive()
        except TimeoutError as error:
            raise GatewayError(HTTPStatus.REQUEST_TIMEOUT, "the body came too slowly", code="slow_body") from error
        if message["type"] == "http.disconnect":
            raise ClientLeft
        self._add(len(message.get("body", b"")))
        self._is_complete = not message.get("more_body", False)
        return message

    def _add(self, size: int) -> None:
        if self.num_bytes + size > self._max_bytes:
            raise _too_large(self._max_bytes)
        self._memory.take(size)
        self.num_bytes += size


class ClientLeft(Exception):
    """The caller closed the connection before its request was answered."""


class _Answer:
    """Sends a response; a caller that does not read it in time is let go."""

    def __init__(self, send: Send, timeout_s: float) -> None:
        self._send = send
        self._timeout_s = timeout_s
        self.has_begun = False
        self.is_complete = False

    async def __call__(self, message: Message) -> None:
        self.has_begun = True
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._send(message)
        except TimeoutError as error:
            raise ClientLeft from error
        self.is_complete = message["type"] == "http.response.body" and not message.get("more_body", False)


def _max_bytes(scope: Scope, settings: GatewaySettings) -> int:
    is_json = "json" in Headers(scope=scope).get("content-type", "").lower()
    return settings.max_json_bytes if is_json else settings.max_body_bytes


def _too_large(max_bytes: int) -> GatewayError:
    return GatewayError(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the request has more than {max_bytes} bytes", code="too_large"
    )
