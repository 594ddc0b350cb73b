"""What hears the turns of a session, and tells what is heard."""

from dataclasses import dataclass
from typing import Any

from qwen_gateway.errors import GatewayError, bad_request, body_of
from qwen_gateway.realtime.audio_formats import SAMPLE_BYTES
from qwen_gateway.realtime.conversation import Item
from qwen_gateway.realtime.input_audio import Turn
from qwen_gateway.realtime.response import Emit
from qwen_gateway.realtime.session import AudioInput, InputTranscription
from qwen_gateway.realtime.task_scope import TaskScope
from qwen_gateway.realtime.transcription import Listener, TurnTranscription
from qwen_gateway.upstream import Upstream
from qwen_wire.errors import QwenError

MAX_TURNS = 100  # that are not heard out yet
EVENT = "conversation.item.input_audio_transcription"


class TurnListener:
    """All sound that is not heard out yet is bounded: `max_audio_s`."""

    def __init__(self, upstream: Upstream, scope: TaskScope, emit: Emit, max_audio_s: float) -> None:
        self._listener = Listener(upstream)
        self._scope = scope
        self._emit = emit
        self._max_audio_s = max_audio_s
        self._unheard: set[TurnTranscription] = set()

    def require_room(self, num_bytes: int, rate_hz: int) -> None:
        """Raises `GatewayError` where there is no room for so much more sound."""
        waiting_s = sum(turn.duration_s for turn in self._unheard) + num_bytes / SAMPLE_BYTES / rate_hz
        if waiting_s > self._max_audio_s or len(self._unheard) > MAX_TURNS:
            message = f"the buffer is full ({self._max_audio_s:g} s): commit or clear it, or wait until it is heard"
            raise bad_request(message, code="input_audio_buffer_full")

    def begin(self, config: AudioInput, item: Item | None = None, index: int = 0) -> Turn:
        """A turn, which is to be this item: its content at `index` is the sound.

        What is heard is told where the session asks for transcriptions.
        """
        item = item or Item("user", [{"type": "input_audio", "transcript": None}])
        telling = _Telling(self._emit if config.transcription is not None else None, item, index)
        wanted = config.transcription or InputTranscription()
        transcription = TurnTranscription(self._listener, wanted, config.format.rate_hz, telling.delta)
        self._unheard.add(transcription)
        item.heard = self._scope.start(self._hear(transcription, telling))
        return Turn(item, transcription)

    async def _hear(self, transcription: TurnTranscription, telling: "_Telling") -> str:
        try:
            text = await transcription.run()
        except (QwenError, GatewayError) as error:
            await telling.failed(error)
            return ""
        finally:
            self._unheard.discard(transcription)
        await telling.completed(text, transcription.duration_s)
        return text


@dataclass(frozen=True)
class _Telling:
    """Events of one transcription; none where `emit` is None."""

    emit: Emit | None
    item: Item
    index: int

    async def delta(self, piece: str) -> None:
        if self.emit is not None:
            await self.emit(f"{EVENT}.delta", **self._place(), delta=piece)

    async def completed(self, text: str, duration_s: float) -> None:
        self.item.content[self.index]["transcript"] = text
        if self.emit is not None:
            usage = {"type": "duration", "seconds": round(duration_s, 3)}
            await self.emit(f"{EVENT}.completed", **self._place(), transcript=text, usage=usage)

    async def failed(self, error: Exception) -> None:
        told = body_of(error)[1]["error"]
        if self.emit is not None:
            await self.emit(f"{EVENT}.failed", **self._place(), error=told)

    def _place(self) -> dict[str, Any]:
        return {"item_id": self.item.id, "content_index": self.index}
