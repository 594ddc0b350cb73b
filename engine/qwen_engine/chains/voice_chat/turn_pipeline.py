"""One turn of a voice chat: a reply is written and, at the same time, spoken piece by piece.

    heard    what was said, by the recogniser; or the text that came in its place
    reply    the chat model's answer, token by token
    speech   its pieces (see `clauses.py`), one after another, each as soon as it is whole; `item` is its number

A stage that fails leaves what is done: what the chat model wrote until then is spoken, and a reply that cannot be
spoken is still written to its end.
"""

import asyncio
import json
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from qwen_engine.chains.calls import ModelCalls, Tensors, Trace
from qwen_engine.chains.event_sinks import Emit
from qwen_engine.chains.voice_chat.request import VoiceRequest
from qwen_engine.chains.voice_chat.session import Session, Turn
from qwen_engine.text.clauses import Clauses
from qwen_engine.text.sentences import pronounceable
from qwen_wire.chains import (
    ErrorInfo,
    StageFailed,
    StageProgress,
    StageResult,
    StageSkipped,
    StageStarted,
)
from qwen_wire.errors import QwenError, ServerError
from qwen_wire.voice_chat import HEARD, REPLY, SPEECH, SpeechProgress

log = logging.getLogger(__name__)

ASR, CHAT, TTS = "qwen3_asr", "qwen3_chat", "qwen3_tts"
SAMPLE_BYTES = 2
MAX_PENDING_PIECES = 64  # pieces that are written and wait for their turn; then the writer waits

Pieces = asyncio.Queue[str | None]
"""Pieces of a reply, and None behind the last one."""


@dataclass(eq=False)
class TurnPipeline:
    """Runs one turn: `run` emits its events and returns after the last one; `end_s` is when it has to be done."""

    calls: ModelCalls
    request: VoiceRequest
    session: Session
    turn: Turn
    trace: Trace
    emit: Emit
    end_s: float
    reply_text: str = ""
    error: ErrorInfo | None = None
    times_s: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._began_s = time.monotonic()

    async def run(self) -> None:
        """All stages; `error` is then the first that one of them failed with."""
        await self._recognise()
        if not self.turn.heard:
            if self.error is None:
                for stage in (REPLY, SPEECH):
                    await self.emit(StageSkipped(stage=stage, reason="nothing was said"))
            return
        pieces: Pieces = asyncio.Queue(MAX_PENDING_PIECES)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._generate(pieces))
            tasks.create_task(self._synthesize(pieces))

    async def _recognise(self) -> None:
        async with self._stage(HEARD):
            heard = self.request.text or await self._transcribe()
            await self.emit(StageResult(stage=HEARD, output="TEXT", value=heard))
            self.turn.heard = heard
            self._mark("heard_s")

    async def _transcribe(self) -> str:
        inputs = {"AUDIO": self.request.audio, "OPTIONS": self.request.asr_options()}
        async with self._call(ASR, inputs) as answers:
            received = [answer async for answer in answers]
        for answer in received:
            await self._emit_shortfall(HEARD, "RESULT", json.loads(answer.get("RESULT", b"{}")))
        return "".join(answer["TEXT"].decode() for answer in received).strip()

    async def _generate(self, pieces: Pieces) -> None:
        async with self._stage(REPLY):
            await self._stream_reply(pieces)
        await pieces.put(None)

    async def _stream_reply(self, pieces: Pieces) -> None:
        """Put each piece of the reply into `pieces` as soon as it is whole."""
        clauses = Clauses()
        options = self.request.chat_options(self.session.prompt(self.turn.heard))
        async with self._call(CHAT, {"text_input": b"", "OPTIONS": options}) as answers:
            async for answer in answers:
                for piece in clauses.add(await self._next_text(answer)):
                    await pieces.put(piece)
        for piece in clauses.finish():
            await pieces.put(piece)
        await self.emit(StageResult(stage=REPLY, output="TEXT", value=self.reply_text))

    async def _next_text(self, answer: Mapping[str, bytes]) -> str:
        """The next bit of the reply; empty where an answer has none."""
        event = json.loads(answer["EVENT"])
        if event["type"] == "end":
            await self._emit_shortfall(REPLY, "EVENT", event)
        if event["type"] != "text":
            return ""
        self._mark("first_text_s")
        bit = answer["text_output"].decode()
        self.reply_text += bit
        await self.emit(StageProgress(stage=REPLY, event=event, output="TEXT", payload=bit.encode()))
        return bit

    async def _synthesize(self, pieces: Pieces) -> None:
        left = _numbered(pieces)
        async with self._stage(SPEECH):
            async for number, piece in left:
                await self._synthesize_piece(number, piece)
        async for _ in left:  # the writer must not wait for a speaker that has failed
            pass

    async def _synthesize_piece(self, number: int, piece: str) -> None:
        text, reply = piece.strip(), self.turn.reply
        reply.begin(piece)
        if pronounceable(text):
            await self.emit(StageStarted(stage=SPEECH, item=number))
            inputs = {"TEXT": text.encode(), "OPTIONS": self.request.tts_options()}
            async with self._call(TTS, inputs) as answers:
                async for answer in answers:
                    await self._emit_audio(number, text, answer)
            await self.emit(StageResult(stage=SPEECH, item=number, output="TEXT", value=text))
        reply.complete()

    async def _emit_audio(self, number: int, text: str, answer: Mapping[str, bytes]) -> None:
        event, sound = json.loads(answer["EVENT"]), answer["AUDIO"]
        if event["type"] == "end":
            await self._emit_shortfall(SPEECH, "EVENT", event, number)
        if event["type"] != "audio":
            return
        await self.emit(
            SpeechProgress(stage=SPEECH, item=number, event=event, output="AUDIO", payload=sound, text=text)
        )
        self._mark("first_audio_s")
        self.turn.reply.deliver(len(sound) / SAMPLE_BYTES / event["sample_rate_hz"])

    async def _emit_shortfall(
        self, stage: str, output: str, outcome: Mapping[str, Any], item: int | None = None
    ) -> None:
        """The end or RESULT of a model's answer, where that was cut, damaged, or parts of it failed."""
        wrong = {name: outcome[name] for name in ("cut_by", "damage_s", "failed") if outcome.get(name)}
        if wrong or outcome.get("finish_reason") == "length":
            value = {"finish_reason": outcome.get("finish_reason", "stop"), **wrong}
            await self.emit(StageResult(stage=stage, item=item, output=output, value=value))

    def _call(self, model: str, inputs: Tensors) -> "aclosing[AsyncGenerator[Mapping[str, bytes], None]]":
        """The answers of `model`, for an `async with`, which ends the call however it is left."""
        deadline_s = max(0.0, self.end_s - time.monotonic())
        return aclosing(self.calls.stream(model, inputs, deadline_s=deadline_s, trace=self.trace))

    @asynccontextmanager
    async def _stage(self, name: str) -> AsyncIterator[None]:
        """What goes wrong in the block is the failure of the stage `name`, and is sent as such."""
        await self.emit(StageStarted(stage=name))
        try:
            yield
        except QwenError as error:
            await self._fail(name, error)
        except Exception:
            log.exception("stage %s failed", name)
            await self._fail(name, ServerError())

    async def _fail(self, stage: str, error: QwenError) -> None:
        self.turn.has_failed = True
        self.error = self.error or ErrorInfo.of(error, stage)
        await self.emit(StageFailed(stage=stage, error=ErrorInfo.of(error)))

    def _mark(self, name: str) -> None:
        """Note when something was reached for the first time."""
        self.times_s.setdefault(name, round(time.monotonic() - self._began_s, 4))


async def _numbered(pieces: Pieces) -> AsyncIterator[tuple[int, str]]:
    number = 0
    while (piece := await pieces.get()) is not None:
        yield number, piece
        number += 1
