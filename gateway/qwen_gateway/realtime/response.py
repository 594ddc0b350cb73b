"""One response of a realtime session: the chat model's answer, as text or spoken while it is being written."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, TypeVar

from qwen_client import AudioChunk
from qwen_gateway.errors import bad_request, body_of
from qwen_gateway.middleware import ClientLeft
from qwen_gateway.realtime.audio_formats import SpeechEncoder
from qwen_gateway.realtime.conversation import Conversation, Item
from qwen_gateway.realtime.json_socket import new_id
from qwen_gateway.realtime.session import AudioOutput, Session
from qwen_gateway.realtime.spoken_text import TextFeed, speak
from qwen_gateway.realtime.task_scope import TaskScope
from qwen_gateway.streaming import base64_text
from qwen_gateway.upstream import Upstream

ResultT = TypeVar("ResultT")
Emit: TypeAlias = Callable[..., Awaitable[None]]
Status = Literal["completed", "cancelled", "failed", "incomplete", "in_progress"]
CancelReason = Literal["turn_detected", "client_cancelled"]
MAX_SOUND_BYTES = 256 << 10  # of an event


@dataclass
class ResponsePlan:
    """What a response is made of: `context` are the items that it answers. None as `conversation`: it joins none."""

    session: Session
    context: Sequence[Item]
    conversation: Conversation | None
    voice: str | None
    metadata: dict[str, str] | None = None

    @property
    def is_spoken(self) -> bool:
        return self.session.output_modalities == ["audio"]

    @property
    def output(self) -> AudioOutput:
        return self.session.audio.output


@dataclass(eq=False)
class Response:
    """`run` it; `cancel` ends it at once, whatever its requests still do."""

    plan: ResponsePlan
    upstream: Upstream
    emit: Emit
    id: str = field(default_factory=lambda: new_id("resp"))
    item: Item = field(default_factory=lambda: Item("assistant", status="in_progress"))
    status: Status = "in_progress"
    _usage: dict[str, Any] | None = None
    _details: dict[str, Any] | None = None
    _has_item: bool = False
    _previous_id: str | None = None
    _encoder: SpeechEncoder | None = None
    _cancelled: "asyncio.Future[CancelReason]" = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )

    def cancel(self, reason: CancelReason) -> None:
        if not self._cancelled.done():
            self._cancelled.set_result(reason)

    @property
    def is_cancelled(self) -> bool:
        return self._cancelled.done()

    async def run(self, scope: TaskScope) -> None:
        """Make it and tell it, from response.created to response.done."""
        await self.emit("response.created", response=self.as_event())
        if (messages := await self._unless_cancelled(scope, self._messages())) is not None:
            await self._begin_item()
            finish_reason = await self._unless_cancelled(scope, self._answer(messages))
            if finish_reason == "length":
                self._end("incomplete", reason="max_output_tokens")
            elif finish_reason is not None:
                self.status = "completed"
        await self._finish()

    async def _unless_cancelled(self, scope: TaskScope, work: Coroutine[Any, Any, ResultT]) -> ResultT | None:
        """The result of `work`; None where it fails or is cancelled, which `status` tells. It may end later."""
        task = scope.start(self._guarded(work))
        await asyncio.wait((task, self._cancelled), return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            result: ResultT | None = task.result()
            return result
        task.cancel()
        self._end("cancelled", reason=self._cancelled.result())
        return None

    async def _guarded(self, work: Coroutine[Any, Any, ResultT]) -> ResultT | None:
        try:
            return await work
        except ClientLeft:
            raise
        except Exception as error:  # noqa: BLE001  # it ends this response, and is told with it
            told = body_of(error)[1]["error"]
            if not self.is_cancelled:
                self._end("failed", error={name: told[name] for name in ("type", "code", "message")})
            return None

    def _end(self, status: Status, **details: Any) -> None:
        self.status = status
        self._details = {"type": status, **details}

    def as_event(self) -> dict[str, Any]:
        session = self.plan.session
        output = {"format": self.plan.output.format.as_event(), "voice": self.plan.output.voice}
        return {
            "id": self.id,
            "object": "realtime.response",
            "status": self.status,
            "status_details": self._details,
            "output": [self.item.as_event()] if self._has_item and self.status != "in_progress" else [],
            "conversation_id": self.plan.conversation.id if self.plan.conversation else None,
            "output_modalities": session.output_modalities,
            "max_output_tokens": session.max_output_tokens,
            "audio": {"output": output},
            "usage": self._usage,
            "metadata": self.plan.metadata,
        }

    async def _messages(self) -> list[dict[str, Any]]:
        found = [message for item in self.plan.context if (message := await item.message()) is not None]
        instructions = self.plan.session.instructions
        if not found and not instructions:
            raise bad_request("there is nothing to answer: no item has text, and there are no instructions")
        if not instructions:
            return found
        # A model that is given no more than instructions is asked to follow them.
        return [{"role": "system" if found else "user", "content": instructions}, *found]

    async def _begin_item(self) -> None:
        key = "transcript" if self.plan.is_spoken else "text"
        self._has_item = True
        await self.emit("response.output_item.added", **self._place(), item=self.item.as_event())
        if self.plan.conversation is not None:
            self._previous_id = self.plan.conversation.add(self.item)
            await self.emit("conversation.item.added", item=self.item.as_event(), previous_item_id=self._previous_id)
        self.item.content.append({"type": "output_audio" if self.plan.is_spoken else "output_text", key: ""})
        await self.emit("response.content_part.added", **self._part_place(), part=self._part())

    async def _answer(self, messages: list[dict[str, Any]]) -> str:
        return await (self._speak(messages) if self.plan.is_spoken else self._write(messages, self._text))

    async def _write(self, messages: list[dict[str, Any]], tell: Callable[[str], Awaitable[None]]) -> str:
        """The answer, piece by piece; why it ended."""
        limit = self.plan.session.max_output_tokens
        options: dict[str, Any] = {} if limit == "inf" else {"max_tokens": limit}
        with self.upstream.server() as client:
            async with client.chat.stream(messages, **options) as deltas:
                async for delta in deltas:
                    if delta.type == "text":
                        await tell(delta.text)
                ending = deltas.ending()
        self._usage = _usage(ending.details["usage"])
        return str(ending.finish_reason)

    async def _text(self, piece: str) -> None:
        await self._delta("response.output_text.delta", piece, "text")

    async def _speak(self, messages: list[dict[str, Any]]) -> str:
        feed = TextFeed()

        async def tell(piece: str) -> None:
            await self._delta("response.output_audio_transcript.delta", piece, "transcript")
            feed.add(piece)

        async def write() -> str:
            finish_reason = await self._write(messages, tell)
            feed.complete()
            return finish_reason

        scope = TaskScope()
        writing = scope.start(write())
        with self.upstream.server() as client:
            await scope.run(speak(client, feed, self.plan.voice, self._sound))
        if self._encoder is not None:
            await self._sent(self._encoder.finish())
        return str(writing.result())

    async def _sound(self, chunk: AudioChunk) -> None:
        if self._encoder is None:
            self._encoder = SpeechEncoder(self.plan.output.format.type, chunk.sample_rate)
        await self._sent(self._encoder.encode(chunk.samples))

    async def _sent(self, data: bytes) -> None:
        for at in range(0, len(data), MAX_SOUND_BYTES):
            await self._delta("response.output_audio.delta", base64_text(data[at : at + MAX_SOUND_BYTES]))
        if self._encoder is not None and not self.is_cancelled:
            self.item.audio_ms = self._encoder.encoded_ms

    async def _delta(self, kind: str, delta: str, key: str | None = None) -> None:
        """Tell a piece, which is added to the item as `key`. What comes after the end is dropped."""
        if self.is_cancelled:
            return
        if key is not None:
            self.item.content[0][key] += delta
        await self.emit(kind, **self._part_place(), delta=delta)

    async def _finish(self) -> None:
        """All that ends, in its order."""
        self.item.status = "completed" if self.status == "completed" else "incomplete"
        if self._has_item:
            place, part = self._part_place(), self.item.content[0]
            if self.plan.is_spoken:
                await self.emit("response.output_audio.done", **place)
                await self.emit("response.output_audio_transcript.done", **place, transcript=part["transcript"])
            else:
                await self.emit("response.output_text.done", **place, text=part["text"])
            await self.emit("response.content_part.done", **place, part=self._part())
            if self.plan.conversation is not None:
                previous_id = self._previous_id
                await self.emit("conversation.item.done", item=self.item.as_event(), previous_item_id=previous_id)
            await self.emit("response.output_item.done", **self._place(), item=self.item.as_event())
        await self.emit("response.done", response=self.as_event())

    def _place(self) -> dict[str, Any]:
        return {"response_id": self.id, "output_index": 0}

    def _part_place(self) -> dict[str, Any]:
        return {**self._place(), "item_id": self.item.id, "content_index": 0}

    def _part(self) -> dict[str, Any]:
        """The item's only content, by the names that events of parts have for its type."""
        return {**self.item.content[0], "type": "audio" if self.plan.is_spoken else "text"}


def _usage(usage: dict[str, Any]) -> dict[str, Any]:
    num_read, num_written = usage["prompt_tokens"], usage["completion_tokens"]
    read = {"text_tokens": num_read, "audio_tokens": 0, "cached_tokens": usage.get("cached_tokens") or 0}
    return {
        "input_tokens": num_read,
        "output_tokens": num_written,
        "total_tokens": num_read + num_written,
        "input_token_details": read,
        "output_token_details": {"text_tokens": num_written, "audio_tokens": 0},
    }
