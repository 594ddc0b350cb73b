"""Live captions: `client.asr.stream`."""

import asyncio
import secrets
import threading
import time
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from typing_extensions import Self

from qwen_client.jobs import UnaryJob
from qwen_client.keep_alive import AsyncKeepAlive, KeepAlive
from qwen_client.messages import Answer, SequenceStep, options_json
from qwen_client.pcm import SAMPLE_BYTES, AudioPiece, Reslicer, pcm16
from qwen_client.samples import MAX_CHANNELS, check_rate
from qwen_client.transport import AsyncTransport, Transport
from qwen_wire.errors import InvalidRequest, QwenError
from qwen_wire.options import CaptionOptions
from qwen_wire.transcripts import Caption

MODEL = "qwen3_asr_stream"
DEFAULT_SAMPLE_RATE = 16_000
CHUNK_S = (0.1, 2.0)
MAX_SEQUENCE_ID = 2**63 - 1
SIGNS_OF_LIFE = 3  # in the time after which the server would forget a session
State = Literal["new", "open", "broken", "ended"]


@dataclass(frozen=True)
class CaptionsPlan:
    """How a session begins, and how its audio is cut."""

    options: bytes
    channels: int
    chunk_bytes: int


def stream(
    *,
    language: str | None = None,
    context: str = "",
    sample_rate: int = DEFAULT_SAMPLE_RATE,
    channels: int = 1,
    chunk_s: float = 0.5,
) -> CaptionsPlan:
    """Caption speech while it is spoken.

        with client.asr.stream() as captions:  # leaving early gives up the rest
            for caption in captions.iterate(microphone):
                print(caption.stable, caption.partial)

        with client.asr.stream(sample_rate=48_000) as captions:
            for samples in microphone:
                for caption in captions.feed(samples):
                    print(caption.text)
            print(captions.finish().text)

    Audio comes in pieces of any size: 16-bit little-endian PCM, or samples; it is sent every `chunk_s` seconds (0.1 to
    2). While none comes, the session is kept open; what is said before and after a break is one sentence, unless there
    is silence between. `language` and `context` as for `transcribe`. Returns `Captions`.
    """
    if not CHUNK_S[0] <= chunk_s <= CHUNK_S[1]:
        raise InvalidRequest(f"chunk_s is {chunk_s}: give {CHUNK_S[0]} to {CHUNK_S[1]:g}")
    check_rate(sample_rate, "sample_rate")
    if not 1 <= channels <= MAX_CHANNELS:
        raise InvalidRequest(f"channels is {channels}: give 1 to {MAX_CHANNELS}")
    rate = None if sample_rate == DEFAULT_SAMPLE_RATE else int(sample_rate)
    options = options_json(
        CaptionOptions, language=language, context=context, sample_rate_hz=rate, num_channels=channels
    )
    return CaptionsPlan(options, channels, round(sample_rate * chunk_s) * channels * SAMPLE_BYTES)


class _Session:
    """What sync and async captions share: cutting the audio, and which step comes next."""

    def __init__(self, plan: CaptionsPlan) -> None:
        self._token: str | None = None
        self.sequence_id = secrets.randbelow(MAX_SEQUENCE_ID) + 1
        self._plan = plan
        self._chunks = Reslicer(plan.chunk_bytes)
        self._state: State = "new"
        self._interval_s: float | None = None  # at which the server is to hear something
        self._heard_s = 0.0  # when the last answer came

    def _cut(self, piece: AudioPiece) -> Iterator[bytes]:
        self._require_open()
        return self._chunks.chunks(pcm16(piece, self._plan.channels))

    def _rest(self) -> bytes:
        self._require_open()
        return self._chunks.rest(self._plan.channels * SAMPLE_BYTES)

    def _step(self, audio: bytes, *, end: bool) -> UnaryJob[Caption]:
        """The next request. Until its answer has come, `_state` says that the session has a gap."""
        start = self._state == "new"
        self._state = "broken"
        options = self._plan.options if start else options_json(CaptionOptions, token=self._token)
        step = SequenceStep(self.sequence_id, start, end)
        return UnaryJob(MODEL, {"AUDIO": audio, "OPTIONS": options}, self._read, step)

    def _silent_step(self) -> UnaryJob[Caption] | None:
        """A request without audio, which changes nothing; None where none is needed."""
        interval_s = self._interval_s
        if self._state != "open" or interval_s is None or time.monotonic() - self._heard_s < interval_s:
            return None
        options = options_json(CaptionOptions, token=self._token)
        step = SequenceStep(self.sequence_id, start=False, end=False)
        return UnaryJob(MODEL, {"AUDIO": b"", "OPTIONS": options}, self._read, step)

    def _read(self, answer: Answer) -> Caption:
        """The first answer tells the token that all further steps need, and how long the server waits for them."""
        caption = answer.message(Caption, "EVENT")
        self._token = caption.token or self._token
        if caption.idle_timeout_s is not None:
            self._interval_s = caption.idle_timeout_s / SIGNS_OF_LIFE
        self._heard_s = time.monotonic()
        return caption

    def _require_open(self) -> None:
        if self._state == "ended":
            raise InvalidRequest("these captions have ended: open new ones")
        if self._state == "broken":
            raise InvalidRequest("these captions were cut off by an error: open new ones")

    def _forgetting(self) -> UnaryJob[Caption] | None:
        """The request that frees the server's state; None where it holds none."""
        is_kept = self._state in ("open", "broken")
        job = self._step(b"", end=True) if is_kept else None
        self._state = "ended"
        return job


class Captions(_Session):
    """A live session: `feed` audio and get captions; `finish` gets the last one.

    Use it in a `with` block, so that the server forgets the session when the block is left early.
    """

    def __init__(self, transport: Transport, plan: CaptionsPlan) -> None:
        super().__init__(plan)
        self._transport = transport
        self._sending = threading.Lock()
        self._keep_alive: KeepAlive | None = None

    def feed(self, piece: AudioPiece) -> list[Caption]:
        """The captions up to here: none while a chunk is not full, several after a long piece."""
        return [self._heard(chunk) for chunk in self._whole_chunks(piece)]

    def finish(self) -> Caption:
        """Send the remaining audio and end the session."""
        with self._sending:
            caption = self._transport.run(self._step(self._rest(), end=True))
            self._state = "ended"
        self._stop_keeping_alive()
        return caption

    def iterate(self, pieces: Iterable[AudioPiece]) -> Iterator[Caption]:
        """Feed all `pieces`, then finish; yields captions as soon as they arrive."""
        for piece in pieces:
            yield from map(self._heard, self._whole_chunks(piece))
        yield self.finish()

    def close(self) -> None:
        """Have the server forget the session, unless it is over."""
        self._stop_keeping_alive()
        with self._sending:
            if job := self._forgetting():
                with suppress(QwenError):  # the server forgets a silent session by itself, later
                    self._transport.run(job)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _whole_chunks(self, piece: AudioPiece) -> list[bytes]:
        with self._sending:  # meanwhile the state is not what it will be
            return list(self._cut(piece))

    def _heard(self, chunk: bytes) -> Caption:
        with self._sending:
            caption = self._transport.run(self._step(chunk, end=False))
            self._state = "open"
            if self._keep_alive is None and self._interval_s is not None:
                self._keep_alive = KeepAlive(self._send_sign_of_life, self._interval_s)
        return caption

    def _send_sign_of_life(self) -> None:
        with self._sending, suppress(QwenError):  # the next chunk tells what is wrong
            if job := self._silent_step():
                self._transport.run(job)

    def _stop_keeping_alive(self) -> None:
        if self._keep_alive is not None:
            self._keep_alive.stop()


class AsyncCaptions(_Session):
    """As `Captions`, with `await`, `async with` and `async for`."""

    def __init__(self, transport: AsyncTransport, plan: CaptionsPlan) -> None:
        super().__init__(plan)
        self._transport = transport
        self._sending = asyncio.Lock()
        self._keep_alive: AsyncKeepAlive | None = None

    async def feed(self, piece: AudioPiece) -> list[Caption]:
        """As `Captions.feed`."""
        return [await self._heard(chunk) for chunk in await self._whole_chunks(piece)]

    async def finish(self) -> Caption:
        """As `Captions.finish`."""
        async with self._sending:
            caption = await self._transport.run(self._step(self._rest(), end=True))
            self._state = "ended"
            self._stop_keeping_alive()
        return caption

    async def iterate(self, pieces: AsyncIterable[AudioPiece]) -> AsyncIterator[Caption]:
        """As `Captions.iterate`, of pieces that come asynchronously."""
        async for piece in pieces:
            for chunk in await self._whole_chunks(piece):
                yield await self._heard(chunk)
        yield await self.finish()

    async def close(self) -> None:
        """As `Captions.close`."""
        async with self._sending:
            self._stop_keeping_alive()
            if job := self._forgetting():
                with suppress(QwenError):  # the server forgets a silent session by itself, later
                    await self._transport.run(job)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _whole_chunks(self, piece: AudioPiece) -> list[bytes]:
        async with self._sending:
            return list(self._cut(piece))

    async def _heard(self, chunk: bytes) -> Caption:
        async with self._sending:
            caption = await self._transport.run(self._step(chunk, end=False))
            self._state = "open"
            if self._keep_alive is None and self._interval_s is not None:
                self._keep_alive = AsyncKeepAlive(self._send_sign_of_life, self._interval_s)
        return caption

    async def _send_sign_of_life(self) -> None:
        async with self._sending:
            if job := self._silent_step():
                with suppress(QwenError):  # the next chunk tells what is wrong
                    await self._transport.run(job)

    def _stop_keeping_alive(self) -> None:
        if self._keep_alive is not None:
            self._keep_alive.stop()
