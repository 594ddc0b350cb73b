"""One client of the Realtime API: its events one after another, and what they set going."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias, TypeVar

from qwen_gateway.body import check
from qwen_gateway.errors import GatewayError, bad_request, body_of
from qwen_gateway.files import decoded
from qwen_gateway.openai.bodies import OpenAIBody
from qwen_gateway.realtime import client_events as events
from qwen_gateway.realtime.audio_formats import decoded_pcm
from qwen_gateway.realtime.conversation import Conversation, Item
from qwen_gateway.realtime.input_audio import InputAudio, Turn, TurnChange
from qwen_gateway.realtime.json_socket import JsonSocket, new_id
from qwen_gateway.realtime.response import CancelReason, Response, ResponsePlan
from qwen_gateway.realtime.session import Session
from qwen_gateway.realtime.task_scope import TaskScope
from qwen_gateway.realtime.turn_listener import TurnListener
from qwen_gateway.settings import GatewaySettings
from qwen_gateway.upstream import Upstream

BodyT = TypeVar("BodyT", bound=OpenAIBody)
Handler: TypeAlias = Callable[["RealtimeConnection", Any], Awaitable[None]]
MAX_ID_CHARS = 128


class RealtimeConnection:
    """Events are handled in their order, and none of them waits for a model: what takes time runs in `_scope`, which
    ends with the connection."""

    def __init__(self, socket: JsonSocket, settings: GatewaySettings, upstream: Upstream, session: Session) -> None:
        self._socket = socket
        self._settings = settings
        self._upstream = upstream
        self._session = session
        self._session_id = new_id("sess")
        self._scope = TaskScope()
        self._conversation = Conversation(settings.max_conversation_items, settings.max_conversation_bytes)
        self._listener = TurnListener(upstream, self._scope, self._emit, settings.max_turn_s)
        self._input = self._new_input()
        self._response: Response | None = None
        self._responding: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Serve until the client leaves."""
        await self._scope.run(self._serve())

    async def _serve(self) -> None:
        await self._emit("session.created", session=self._session.as_event(self._session_id))
        while True:
            frame: dict[str, Any] | bytes = {}
            try:
                frame = await self._socket.receive()
                await self._handle(frame)
            except GatewayError as error:
                await self._emit_error(error, frame)
                self._socket.charge()

    async def _handle(self, frame: dict[str, Any] | bytes) -> None:
        if isinstance(frame, bytes):
            raise bad_request("binary frames are not taken: send events as JSON", code="invalid_event")
        kind = frame.get("type")
        if not isinstance(kind, str) or kind not in HANDLERS:
            raise bad_request(f"there is no event of type {str(kind)[:80]!r}", param="type", code="unknown_event")
        model, handle = HANDLERS[kind]
        await handle(self, check(model, frame))

    async def _emit(self, kind: str, **fields: Any) -> None:
        await self._socket.send({"type": kind, "event_id": new_id("event"), **fields})

    async def _emit_error(self, error: GatewayError, frame: dict[str, Any] | bytes) -> None:
        told = body_of(error)[1]["error"]
        event_id = frame.get("event_id") if isinstance(frame, dict) else None
        given = event_id[:MAX_ID_CHARS] if isinstance(event_id, str) else None
        await self._emit("error", error={**told, "event_id": given})

    async def _update(self, event: events.SessionUpdate) -> None:
        old, self._session = self._session, self._session.updated(event.session, self._settings.aliases)
        before, after = old.audio.input, self._session.audio.input
        if (before.format, before.turn_detection) != (after.format, after.turn_detection):
            self._input.clear()
            self._input = self._new_input()
        await self._emit("session.updated", session=self._session.as_event(self._session_id))

    def _new_input(self) -> InputAudio:
        config = self._session.audio.input
        position_s = self._input.position_s if hasattr(self, "_input") else 0.0
        first_sample = round(position_s * config.format.rate_hz)
        # At half of what there is room for, a turn that nobody ends is committed: the next one begins. Clients that
        # find turns themselves send sound in between, too.
        longest_s = self._settings.max_turn_s / 2
        return InputAudio(config, longest_s, lambda: self._listener.begin(self._session.audio.input), first_sample)

    async def _append(self, event: events.Append) -> None:
        pcm = await self._pcm(event.audio)
        self._listener.require_room(len(pcm), self._session.audio.input.format.rate_hz)
        for change in await self._input.append(pcm):
            await (self._begun(change) if change.is_begin else self._ended(change))

    async def _pcm(self, audio: str) -> bytes:
        data = await decoded(audio, "audio", self._settings.max_event_bytes)
        return decoded_pcm(data, self._session.audio.input.format.type)

    async def _begun(self, change: TurnChange) -> None:
        item_id = change.turn.item.id
        await self._emit("input_audio_buffer.speech_started", item_id=item_id, audio_start_ms=change.at_ms)
        turns = self._session.audio.input.turn_detection
        if turns is not None and turns.interrupt_response and self._response is not None:
            self._response.cancel("turn_detected")

    async def _ended(self, change: TurnChange) -> None:
        turns = self._session.audio.input.turn_detection
        if turns is not None:
            item_id = change.turn.item.id
            await self._emit("input_audio_buffer.speech_stopped", item_id=item_id, audio_end_ms=change.at_ms)
        await self._commit_turn(change.turn)
        if turns is not None and turns.create_response and self._session.type == "realtime":
            self._scope.start(self._answer_turn(change.turn))

    async def _answer_turn(self, turn: Turn) -> None:
        """Respond to what was said, where anything was, and the speaker has not gone on."""
        assert turn.item.heard is not None
        await asyncio.wait((turn.item.heard,))
        if not turn.item.heard.result() or self._input.is_speaking:
            return
        if self._response is not None and not self._response.is_cancelled:
            return  # which may not be interrupted
        try:
            await self._respond(events.ResponseOptions())
        except GatewayError as error:
            await self._emit_error(error, {})

    async def _commit(self, _: OpenAIBody) -> None:
        await self._commit_turn(self._input.commit())

    async def _commit_turn(self, turn: Turn) -> None:
        previous_id = self._conversation.add(turn.item)
        await self._emit("input_audio_buffer.committed", item_id=turn.item.id, previous_item_id=previous_id)
        await self._tell_item(turn.item, previous_id)
        turn.transcription.finish()

    async def _clear(self, _: OpenAIBody) -> None:
        self._input.clear()
        await self._emit("input_audio_buffer.cleared")

    async def _create_item(self, event: events.Create) -> None:
        item, turn = await self._new_item(event.item)
        try:
            previous_id = self._conversation.add(item, event.previous_item_id)
        except GatewayError:
            if turn is not None:
                turn.drop()
            raise
        await self._tell_item(item, previous_id)

    async def _new_item(self, body: events.ItemBody) -> tuple[Item, Turn | None]:
        """An item, and what hears its sound, where it has any."""
        sounds = [(at, part.audio) for at, part in enumerate(body.content) if part.audio and not part.transcript]
        item = Item(body.role, [part.kept() for part in body.content], id=body.id or new_id("item"))
        if not sounds:
            return item, None
        [(at, audio)] = sounds
        config = self._session.audio.input
        pcm = await self._pcm(audio)
        self._listener.require_room(len(pcm), config.format.rate_hz)
        turn = self._listener.begin(config, item, at)
        turn.transcription.add(pcm)
        turn.transcription.finish()
        return item, turn

    async def _tell_item(self, item: Item, previous_id: str | None) -> None:
        for kind in ("conversation.item.added", "conversation.item.done"):
            await self._emit(kind, item=item.as_event(), previous_item_id=previous_id)
        await self._trim()

    async def _trim(self) -> None:
        for item in self._conversation.trim():
            await self._emit("conversation.item.deleted", item_id=item.id)

    async def _delete_item(self, event: events.OfItem) -> None:
        item = self._conversation.item(event.item_id)
        await self._end_response_of(item)
        self._conversation.delete(item)
        await self._emit("conversation.item.deleted", item_id=item.id)

    async def _retrieve_item(self, event: events.OfItem) -> None:
        await self._emit("conversation.item.retrieved", item=self._conversation.item(event.item_id).as_event())

    async def _truncate_item(self, event: events.Truncate) -> None:
        item = self._conversation.item(event.item_id)
        await self._end_response_of(item)
        item.truncate(event.content_index, event.audio_end_ms)
        told = event.model_dump(include={"item_id", "content_index", "audio_end_ms"})
        await self._emit("conversation.item.truncated", **told)

    async def _create_response(self, event: events.ResponseCreate) -> None:
        if self._session.type != "realtime":
            raise bad_request("a transcription session gives no responses", code="invalid_event")
        await self._respond(event.response or events.ResponseOptions())

    async def _respond(self, options: events.ResponseOptions) -> None:
        if self._response is not None and self._response.is_cancelled:
            await self._wait_for_response()
        if self._response is not None:
            message = f"response {self._response.id} is in progress: wait for its end, or cancel it"
            raise bad_request(message, code="conversation_already_has_active_response")
        session = self._session.updated(options.session_fields(), self._settings.aliases)
        context = list(self._conversation) if options.input is None else [await self._given(it) for it in options.input]
        conversation = self._conversation if options.conversation == "auto" else None
        voice = self._settings.aliases.voice(session.audio.output.voice)
        plan = ResponsePlan(session, context, conversation, voice, options.metadata)
        self._response = Response(plan, self._upstream, self._emit)
        self._responding = self._scope.start(self._run_response(self._response))

    async def _given(self, item: events.Reference | events.ItemBody) -> Item:
        """An item that a response alone is given."""
        if isinstance(item, events.Reference):
            return self._conversation.item(item.id)
        return (await self._new_item(item))[0]

    async def _run_response(self, response: Response) -> None:
        await response.run(self._scope)
        self._response = None
        await self._trim()

    async def _cancel_response(self, event: events.ResponseCancel) -> None:
        response = self._response
        if response is None or event.response_id not in (None, response.id):
            raise bad_request("no such response is in progress", code="response_cancel_not_active")
        await self._end_response(response, "client_cancelled")

    async def _end_response_of(self, item: Item) -> None:
        """Who cuts or deletes what is being said wants no more of it."""
        if self._response is not None and self._response.item is item:
            await self._end_response(self._response, "client_cancelled")

    async def _end_response(self, response: Response, reason: CancelReason) -> None:
        response.cancel(reason)
        await self._wait_for_response()

    async def _wait_for_response(self) -> None:
        """Of a response that is cancelled: it sends its last events, and waits for no model."""
        if self._responding is not None:
            await asyncio.wait((self._responding,))


HANDLERS: dict[str, tuple[type[OpenAIBody], Handler]] = {
    "session.update": (events.SessionUpdate, RealtimeConnection._update),
    "input_audio_buffer.append": (events.Append, RealtimeConnection._append),
    "input_audio_buffer.commit": (OpenAIBody, RealtimeConnection._commit),
    "input_audio_buffer.clear": (OpenAIBody, RealtimeConnection._clear),
    "conversation.item.create": (events.Create, RealtimeConnection._create_item),
    "conversation.item.delete": (events.OfItem, RealtimeConnection._delete_item),
    "conversation.item.retrieve": (events.OfItem, RealtimeConnection._retrieve_item),
    "conversation.item.truncate": (events.Truncate, RealtimeConnection._truncate_item),
    "response.create": (events.ResponseCreate, RealtimeConnection._create_response),
    "response.cancel": (events.ResponseCancel, RealtimeConnection._cancel_response),
}
