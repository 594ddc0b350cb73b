"""Answers in parts: chunks of sound, and server-sent events. A caller who leaves ends the request."""

import asyncio
import base64
import json
import logging
from collections.abc import AsyncIterator, Mapping
from typing import Any

from fastapi.responses import StreamingResponse

from qwen_gateway.errors import body_of

log = logging.getLogger(__name__)

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


def event_response(events: AsyncIterator[bytes], keep_alive_s: float) -> StreamingResponse:
    """Events as they come; an error in mid stream is the last of them."""
    return StreamingResponse(_told(_kept_alive(events, keep_alive_s)), media_type=EVENT_STREAM, headers=UNBUFFERED)


async def begun(parts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """`parts`, of which the first is there: what is wrong with a request is an error with its status, not in the
    middle of an answer."""
    first = await anext(parts, None)

    async def rest() -> AsyncIterator[bytes]:
        if first is not None:
            yield first
            async for part in parts:
                yield part

    return rest()


async def _told(events: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    try:
        async for one in events:
            yield one
    except Exception as error:  # noqa: BLE001  # whatever it is, the status has been sent
        yield event(body_of(error)[1], "error")


async def _kept_alive(events: AsyncIterator[bytes], pause_s: float) -> AsyncIterator[bytes]:
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
