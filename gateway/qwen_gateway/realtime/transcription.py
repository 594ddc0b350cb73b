"""What is said in a turn, as text: by live captions while it is spoken, or of the whole once it is over."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from qwen_client import AsyncClient
from qwen_gateway.realtime.audio_formats import SAMPLE_BYTES
from qwen_gateway.realtime.session import InputTranscription
from qwen_gateway.upstream import Upstream
from qwen_wire.errors import QwenError

log = logging.getLogger(__name__)

MAX_HEARD = 4  # turns of a session at once
NOT_SERVED = "NOT_FOUND"
Tell: TypeAlias = Callable[[str], Awaitable[None]]


@dataclass
class Listener:
    """Which way there is: captions, until a server is found to serve none."""

    upstream: Upstream
    has_captions: bool = True
    slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MAX_HEARD))


class TurnTranscription:
    """One turn. `add` its sound and `finish` it; `run` gives the text, and tells each piece of it that is sure."""

    def __init__(self, listener: Listener, config: InputTranscription, rate_hz: int, tell: Tell) -> None:
        self._listener = listener
        self._config = config
        self._rate_hz = rate_hz
        self._tell = tell
        self._audio = bytearray()
        self._num_fed = 0
        self._told = ""
        self._has_more = asyncio.Event()
        self._is_whole = False

    @property
    def num_bytes(self) -> int:
        return len(self._audio)

    @property
    def duration_s(self) -> float:
        return len(self._audio) / SAMPLE_BYTES / self._rate_hz

    def add(self, pcm: bytes) -> None:
        self._audio += pcm
        self._has_more.set()

    def finish(self) -> None:
        self._is_whole = True
        self._has_more.set()

    def drop(self) -> None:
        """Free its sound; who runs it is cancelled."""
        self._audio.clear()

    async def run(self) -> str:
        """The text. Raises `QwenError` where the server gives none."""
        async with self._listener.slots:
            return await self._heard()

    async def _heard(self) -> str:
        with self._listener.upstream.server() as client:
            if self._listener.has_captions:
                try:
                    return await self._captioned(client)
                except QwenError as error:
                    self._listener.has_captions = error.status != NOT_SERVED
                    log.debug("no captions: %s", error)
            while not self._is_whole:
                await self._more()
            return await self._transcribed(client)

    async def _captioned(self, client: AsyncClient) -> str:
        config = self._config
        session = client.asr.stream(language=config.spoken, context=config.context, sample_rate=self._rate_hz)
        async with session as captions:
            while (piece := self._next()) or not self._is_whole:
                if not piece:
                    await self._more()
                for caption in await captions.feed(piece):
                    await self._told_up_to(caption.stable)
            text = (await captions.finish()).text
        await self._told_up_to(text)
        return text.strip()

    async def _told_up_to(self, stable: str) -> None:
        if len(stable) > len(self._told):
            piece, self._told = stable[len(self._told) :], stable
            await self._tell(piece)

    async def _transcribed(self, client: AsyncClient) -> str:
        heard = await client.asr.transcribe(
            await asyncio.to_thread(bytes, self._audio),
            audio_format="pcm_s16le",
            sample_rate=self._rate_hz,
            language=self._config.spoken,
            context=self._config.context,
            timestamps="none",
        )
        return heard.text.strip()

    def _next(self) -> bytes:
        piece = bytes(self._audio[self._num_fed :])
        self._num_fed += len(piece)
        return piece

    async def _more(self) -> None:
        self._has_more.clear()
        await self._has_more.wait()
