"""A text spoken while it is still being written."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from qwen_client import AsyncClient, AsyncTextStream, AudioChunk
from qwen_gateway.realtime.task_scope import TaskScope

Tell: TypeAlias = Callable[[AudioChunk], Awaitable[None]]


class TextFeed:
    """Text from who writes to who speaks; what has gathered is taken at once."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._is_complete = False
        self._changed = asyncio.Event()

    def add(self, piece: str) -> None:
        self._pieces.append(piece)
        self._changed.set()

    def complete(self) -> None:
        self._is_complete = True
        self._changed.set()

    async def take(self) -> tuple[str, bool]:
        """What has come since the last time, and whether it was the last."""
        while not self._pieces and not self._is_complete:
            self._changed.clear()
            await self._changed.wait()
        text = "".join(self._pieces)
        self._pieces.clear()
        return text, self._is_complete


async def speak(client: AsyncClient, feed: TextFeed, voice: str | None, tell: Tell) -> None:
    """Speak the text, from its first clause on, and `tell` each piece of sound. Without text, no request is made."""
    text, is_complete = await feed.take()
    while not text.strip() and not is_complete:
        more, is_complete = await feed.take()
        text += more
    if not text.strip():
        return
    if is_complete:
        async with client.tts.stream(text, voice=voice) as chunks:
            async for chunk in chunks:
                await tell(chunk)
        return
    async with client.tts.stream_text(text, voice=voice) as speech:
        scope = TaskScope()
        scope.start(_add(speech, feed))
        await scope.run(_tell_all(speech, tell))


async def _tell_all(speech: AsyncTextStream, tell: Tell) -> None:
    async for chunk in speech:
        await tell(chunk)


async def _add(speech: AsyncTextStream, feed: TextFeed) -> None:
    is_complete = False
    while not is_complete:
        text, is_complete = await feed.take()
        await (speech.complete(text) if is_complete else speech.add(text))
