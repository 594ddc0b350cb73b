"""Speech of a text that is still being written: `client.tts.stream_text`."""

import asyncio
import threading
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from typing_extensions import Self

from qwen_client.audio import AudioInput
from qwen_client.chains.chain_run import AsyncChainRun, ChainRun, follow, follow_async
from qwen_client.jobs import Ending, StreamJob, require_complete
from qwen_client.messages import Answer, options_json
from qwen_client.texts import text_bytes
from qwen_client.transport import AsyncTransport, Transport
from qwen_client.tts import MODEL, AudioChunk, Speech, collect_speech, read_chunk, speak_inputs
from qwen_wire.errors import InvalidRequest, QwenError
from qwen_wire.options import TtsOptions
from qwen_wire.speech import TextAdded, TextStreamOpened

TextEvent = TextStreamOpened | AudioChunk
TextJob = StreamJob[TextEvent, Speech]
COMPLETE, OVER = "the text is complete", "the speech is over"


@dataclass(frozen=True)
class TextPlan:
    """The request that opens a text stream, and the name that it has there."""

    job: TextJob
    name: str

    def addition(self, token: str, text: str, *, complete: bool) -> StreamJob[int, int]:
        """The request that adds `text`."""
        options = options_json(
            TtsOptions, action="add_text", text_stream=self.name, token=token, text_complete=complete
        )
        return StreamJob(
            MODEL, {"TEXT": text_bytes(text, "text"), "OPTIONS": options}, _read_chars, _sum, is_repeatable=False
        )


def stream_text(text: str = "", *, reference: AudioInput | None = None, **options: Any) -> TextPlan:
    """Speak a text while it is being written: `text` and what is added.

        with client.tts.stream_text(voice="ben") as speech:  # leaving early cancels
            for words in language_model:
                speech.add(words)
            speech.complete()
            for chunk in speech:  # or in another thread, while the text is still being written
                play(chunk.samples, chunk.sample_rate)

    The first clause is spoken as soon as it is whole, then sentence by sentence. Where no text comes for a while (half
    a minute, unless the server has another limit) the speech ends with an error; `add("")` keeps it waiting. To add
    text to speech that is over raises `InvalidRequest`. The rest as for `synthesize`. Returns a `TextStream`, of
    `AsyncClient` an `AsyncTextStream`.
    """
    name = uuid.uuid4().hex
    inputs = speak_inputs(text, reference, text_stream=name, **options)
    return TextPlan(StreamJob(MODEL, inputs, _read, _collect, is_repeatable=False), name)


class _TextStream:
    """What sync and async text streams share: whether more text is taken."""

    def __init__(self, plan: TextPlan) -> None:
        self._plan = plan
        self._token: str | None = None
        self._ended: str | None = None

    def _require_open(self) -> None:
        if self._ended is not None:
            raise InvalidRequest(f"{self._ended}: open a new text stream")

    def _opened(self, event: TextEvent | None) -> str:
        """The token in the first event; None: there is no event."""
        if event is None:
            self._ended = OVER
        self._require_open()
        assert isinstance(event, TextStreamOpened)  # the first one, and no other: `_read` sees to it
        self._token = event.token
        return event.token


class TextStream(_TextStream):
    """Iterate over it for the `AudioChunk`s; `add` text meanwhile, from any thread. Leaving the block cancels."""

    def __init__(self, transport: Transport, plan: TextPlan) -> None:
        super().__init__(plan)
        self._transport = transport
        self._run: ChainRun[TextEvent, Speech] = follow(transport, plan.job)
        self._opening = threading.Lock()

    def add(self, text: str) -> None:
        """More of the text."""
        self._add(text, complete=False)

    def complete(self, text: str = "") -> None:
        """The last of the text: speech ends with it."""
        self._add(text, complete=True)

    def result(self) -> Speech:
        """All that is spoken, once the text is complete."""
        self._open()
        return self._run.result()

    def close(self) -> None:
        """Cancel the speech, unless it is over."""
        self._ended = self._ended or OVER
        self._run.close()

    def _add(self, text: str, *, complete: bool) -> None:
        self._require_open()
        self._transport.run(self._plan.addition(self._open(), text, complete=complete))
        if complete:
            self._ended = COMPLETE

    def _open(self) -> str:
        """The token, which comes first: as soon as the server has accepted the request."""
        with self._opening:
            return self._token or self._opened(next(self._run, None))

    def __enter__(self) -> Self:
        self._open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> AudioChunk:
        self._open()
        try:
            return _chunk(next(self._run))
        except (StopIteration, QwenError):
            self._ended = OVER
            raise


class AsyncTextStream(_TextStream):
    """As `TextStream`, with `await`, `async with` and `async for`."""

    def __init__(self, transport: AsyncTransport, plan: TextPlan) -> None:
        super().__init__(plan)
        self._transport = transport
        self._run: AsyncChainRun[TextEvent, Speech] = follow_async(transport, plan.job)
        self._opening = asyncio.Lock()

    async def add(self, text: str) -> None:
        """As `TextStream.add`."""
        await self._add(text, complete=False)

    async def complete(self, text: str = "") -> None:
        """As `TextStream.complete`."""
        await self._add(text, complete=True)

    async def result(self) -> Speech:
        """As `TextStream.result`."""
        await self._open()
        return await self._run.result()

    async def close(self) -> None:
        """As `TextStream.close`."""
        self._ended = self._ended or OVER
        await self._run.close()

    async def _add(self, text: str, *, complete: bool) -> None:
        self._require_open()
        await self._transport.run(self._plan.addition(await self._open(), text, complete=complete))
        if complete:
            self._ended = COMPLETE

    async def _open(self) -> str:
        async with self._opening:
            return self._token or self._opened(await anext(self._run, None))

    async def __aenter__(self) -> Self:
        await self._open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> AudioChunk:
        await self._open()
        try:
            return _chunk(await anext(self._run))
        except (StopAsyncIteration, QwenError):
            self._ended = OVER
            raise


def _chunk(event: TextEvent) -> AudioChunk:
    assert isinstance(event, AudioChunk)
    return event


def _read(answer: Answer) -> TextEvent:
    if answer.json("EVENT")["type"] == "text_stream":
        return answer.message(TextStreamOpened, "EVENT")
    chunk = read_chunk(answer)
    return replace(chunk, index=chunk.index - 1)


def _collect(events: Sequence[TextEvent], ending: Ending) -> Speech:
    return collect_speech([event for event in events if isinstance(event, AudioChunk)], ending)


def _read_chars(answer: Answer) -> int:
    return answer.message(TextAdded, "EVENT").chars


def _sum(taken: Sequence[int], ending: Ending) -> int:
    require_complete(ending)
    return sum(taken)
