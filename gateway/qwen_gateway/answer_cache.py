"""Answers that are kept in memory: a request that was answered before, and whose answer is the same every time, is
answered at once. Plain ASGI, before a body is parsed."""

import hashlib
from collections import OrderedDict
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PATHS = frozenset(
    f"/api/v1/{name}"
    for name in ("asr/transcribe", "tts/synthesize", "image/generate", "image/edit", "vision/describe", "chat")
)
MAX_BODY_BYTES = 8 << 20  # larger requests are not looked up
MAX_SHARE = 8  # of the cache, that one answer may take
HIT = (b"x-cache", b"hit")


@dataclass(frozen=True)
class _Answer:
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


class AnswerCache:
    """Keeps answers of endpoints that call `keep`, the ones that were asked for last, of `max_bytes` in all."""

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._answers: OrderedDict[bytes, _Answer] = OrderedDict()
        self._num_bytes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._max_bytes or not _may_be_kept(scope):
            await self._app(scope, receive, send)
            return
        messages, body = await _read(receive)
        replayed = _replaying(messages, receive)
        if body is None:
            await self._app(scope, replayed, send)
            return
        key = _key(scope, body)
        if (kept := self._answers.get(key)) is not None:
            self._answers.move_to_end(key)
            await send({"type": "http.response.start", "status": 200, "headers": [*kept.headers, HIT]})
            await send({"type": "http.response.body", "body": kept.body})
            return
        await self._app(scope, replayed, _Keeper(self, key, scope, send))

    def add(self, key: bytes, answer: _Answer) -> None:
        size = len(answer.body) + len(key)
        if size > self._max_bytes // MAX_SHARE:
            return
        self._answers[key] = answer
        self._num_bytes += size
        while self._num_bytes > self._max_bytes:
            oldest, dropped = self._answers.popitem(last=False)
            self._num_bytes -= len(dropped.body) + len(oldest)


def keep(scope: Scope) -> None:
    """Say that the answer to a request is the same every time."""
    scope["state"]["is_repeatable"] = True


class _Keeper:
    """Sends an answer, and adds it to the cache where the endpoint says so."""

    def __init__(self, cache: AnswerCache, key: bytes, scope: Scope, send: Send) -> None:
        self._cache = cache
        self._key = key
        self._scope = scope
        self._send = send
        self._start: Message | None = None

    async def __call__(self, message: Message) -> None:
        await self._send(message)
        if message["type"] == "http.response.start":
            self._start = message
            return
        is_whole = self._start is not None and not message.get("more_body", False)
        if is_whole and self._start["status"] == 200 and self._scope["state"].get("is_repeatable"):  # type: ignore[index]
            headers = tuple(pair for pair in self._start["headers"] if pair[0] != b"x-request-id")  # type: ignore[index]
            self._cache.add(self._key, _Answer(headers, message.get("body", b"")))
        self._start = None  # of an answer in several parts, none is kept


def _may_be_kept(scope: Scope) -> bool:
    """Forms are never the same: their boundaries are random."""
    if scope["type"] != "http" or scope["method"] != "POST" or scope["path"] not in PATHS:
        return False
    return "json" in Headers(scope=scope).get("content-type", "")


async def _read(receive: Receive) -> tuple[list[Message], bytes | None]:
    """The messages of a body, and all of it; None where it is too large to be looked up."""
    messages: list[Message] = []
    num_bytes = 0
    while True:
        message = await receive()
        messages.append(message)
        num_bytes += len(message.get("body", b""))
        if num_bytes > MAX_BODY_BYTES:
            return messages, None
        if not message.get("more_body", False):
            return messages, b"".join(one.get("body", b"") for one in messages)


def _replaying(messages: list[Message], receive: Receive) -> Receive:
    left = iter(messages)

    async def replay() -> Message:
        return next(left, None) or await receive()

    return replay


def _key(scope: Scope, body: bytes) -> bytes:
    """Of all that an answer depends on: who asks, where, and what."""
    headers = Headers(scope=scope)
    parts = (
        scope["path"],
        headers.get("content-type", ""),
        headers.get("accept", ""),
        headers.get("authorization", ""),
    )
    digest = hashlib.sha256("\0".join(parts).encode())
    digest.update(body)
    return digest.digest()
