"""Answers in parts: chunks of sound, and server-sent events. A caller who leaves ends the request."""

import asyncio
import base64
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any, TypeAlias

from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from qwen_gateway.errors import body_of

Parts: TypeAlias = AsyncGenerator[bytes, None]
UNBUFFERED = {"cache-control": "no-store", "x-accel-buffering": "no"}
EVENT_STREAM = "text/event-stream"
COMMENT = b": keep-alive\n\n"
DONE = b"data: [DONE]\n\n"


def event(fields: Mapping[str, Any] | str, name: str | None = None) -> bytes:
    """One server-sent event."""
    data = fields if isinstance(fields, str) else json.dumps(fields, ensure_ascii=False)
    return (f"event: {name}\n" if name else "").encode() + f"data: {data}\n\n".encode()


def base64_text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


class PartsResponse(StreamingResponse):
    """Sends `parts` as they come, and closes them whatever happens: what works for them ends with the response."""

    def __init__(self, parts: AsyncGenerator[bytes, None], media_type: str) -> None:
        super().__init__(parts, media_type=media_type, headers=UNBUFFERED)
        self._parts = parts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with aclosing(self._parts):
            await super().__call__(scope, receive, send)


def event_response(events: Parts, keep_alive_s: float) -> PartsResponse:
    """Events as they come; an error in mid stream is the last of them."""
    return PartsResponse(_told(_kept_alive(events, keep_alive_s)), EVENT_STREAM)


async def begun(parts: Parts) -> Parts:
    """`parts`, of which the first is there: what is wrong with a request is an error with its status, not in the
    middle of an answer."""
    first = await anext(parts, None)

    async def rest() -> Parts:
        async with aclosing(parts):
            yield b""  # see below
            if first is not None:
                yield first
            async for part in parts:
                yield part

    begun_parts = rest()
    await anext(begun_parts)  # a generator that has not begun would not close what is inside
    return begun_parts


async def _told(events: Parts) -> Parts:
    try:
        async with aclosing(events):
            async for one in events:
                yield one
    except Exception as error:  # noqa: BLE001  # whatever it is, the status has been sent
        yield event(body_of(error)[1], "error")


async def _kept_alive(events: Parts, pause_s: float) -> Parts:
    """With comments in between, which proxies take for a sign of life."""
    upcoming = asyncio.ensure_future(anext(events))
    try:
        while True:
            done, _ = await asyncio.wait((upcoming,), timeout=pause_s)
            if not done:
                yield COMMENT
                continue
            try:
                yield upcoming.result()
            except StopAsyncIteration:
                return
            upcoming = asyncio.ensure_future(anext(events))
    finally:
        upcoming.cancel()
        await asyncio.wait((upcoming,))
        await events.aclose()
