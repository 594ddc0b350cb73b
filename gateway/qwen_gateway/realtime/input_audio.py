"""The sound that a client sends, cut into turns: by voice activity, or where the client says so."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from qwen_gateway.errors import bad_request
from qwen_gateway.realtime.audio_formats import SAMPLE_BYTES
from qwen_gateway.realtime.conversation import Item
from qwen_gateway.realtime.session import AudioInput
from qwen_gateway.realtime.transcription import TurnTranscription
from qwen_gateway.realtime.vad import NOTICED_MS, VoiceChange, VoiceDetector

MIN_TURN_MS = 100
LONG_BYTES = 64 << 10  # a second and more: detected beside the event loop


@dataclass(frozen=True)
class Turn:
    """A turn that has begun: the item that it is to be, and what hears it."""

    item: Item
    transcription: TurnTranscription

    def drop(self) -> None:
        """Hear no more of it."""
        self.transcription.drop()
        if self.item.heard is not None:
            self.item.heard.cancel()


@dataclass(frozen=True)
class TurnChange:
    """A turn has begun, by voice activity, or is over, so many ms after the session's begin."""

    turn: Turn
    is_begin: bool
    at_ms: int


Begin: TypeAlias = Callable[[], Turn]


class InputAudio:
    """Sound of the running turn, and in silence so much of it as a turn's padding needs.

    `begin` makes a turn. One that nobody ends is over after `max_turn_s`.
    """

    def __init__(self, config: AudioInput, max_turn_s: float, begin: Begin, first_sample: int = 0) -> None:
        self._rate_hz = config.format.rate_hz
        self._max_bytes = int(max_turn_s * self._rate_hz) * SAMPLE_BYTES
        self._begin = begin
        self._origin = first_sample
        self._num_samples = first_sample
        self._turn: Turn | None = None
        self._silence = bytearray()  # the last of it
        self._detector: VoiceDetector | None = None
        if (turns := config.turn_detection) is not None:
            self._detector = VoiceDetector(self._rate_hz, turns.threshold, turns.silence_ms)
            self._padding_samples = turns.prefix_padding_ms * self._rate_hz // 1000
            self._silence_bytes = (turns.prefix_padding_ms + NOTICED_MS) * self._rate_hz // 1000 * SAMPLE_BYTES

    @property
    def is_speaking(self) -> bool:
        """Whether somebody speaks, as far as is known."""
        return self._detector is not None and self._detector.is_speaking

    @property
    def position_s(self) -> float:
        """How much was sent in this session."""
        return self._num_samples / self._rate_hz

    async def append(self, pcm: bytes) -> list[TurnChange]:
        """More sound; which turns begin and end with it."""
        changes: list[TurnChange] = []
        if self._detector is None:
            self._turn = self._turn or self._begin()
        for change in await self._detected(pcm):
            # A turn begins some frames before it is noticed: those lie in the silence already.
            cut = max(0, change.sample + self._origin - self._num_samples) * SAMPLE_BYTES
            self._take(pcm[:cut])
            pcm = pcm[cut:]
            if change.kind == "started":
                changes.append(self._begun(change.sample + self._origin))
            elif self._turn is not None:
                changes.append(self._ended(self._turn))
        self._take(pcm)
        if self._turn is not None and self._turn.transcription.num_bytes >= self._max_bytes:
            changes.append(self._ended(self._turn))
            self._forget()
        return changes

    def commit(self) -> Turn:
        """The turn that the client ends. Raises `GatewayError` where there is none to speak of."""
        num_bytes = len(self._silence) if self._turn is None else self._turn.transcription.num_bytes
        if num_bytes * 1000 < MIN_TURN_MS * self._rate_hz * SAMPLE_BYTES:
            raise bad_request(
                f"the buffer holds less than {MIN_TURN_MS} ms of audio", code="input_audio_buffer_commit_empty"
            )
        if self._turn is None:
            self._begun(self._num_samples)
        turn = self._turn
        assert turn is not None
        self._forget()
        return turn

    def clear(self) -> None:
        """Drop what is there."""
        if self._turn is not None:
            self._turn.drop()
        self._forget()

    async def _detected(self, pcm: bytes) -> list[VoiceChange]:
        if self._detector is None:
            return []
        if len(pcm) < LONG_BYTES:
            return self._detector.feed(pcm)
        return await asyncio.to_thread(self._detector.feed, pcm)

    def _take(self, pcm: bytes) -> None:
        self._num_samples += len(pcm) // SAMPLE_BYTES
        if self._turn is not None:
            self._turn.transcription.add(pcm)
            return
        self._silence += pcm
        del self._silence[: max(0, len(self._silence) - self._silence_bytes)]

    def _begun(self, sample: int) -> TurnChange:
        """A turn begins at this sample, with its padding."""
        self._turn = self._begin()
        start = max(sample - self._padding_samples, self._num_samples - len(self._silence) // SAMPLE_BYTES)
        kept = min(len(self._silence), (self._num_samples - start) * SAMPLE_BYTES)
        self._turn.transcription.add(bytes(self._silence[len(self._silence) - kept :]))
        self._silence.clear()
        return TurnChange(self._turn, True, start * 1000 // self._rate_hz)

    def _ended(self, turn: Turn) -> TurnChange:
        self._turn = None
        return TurnChange(turn, False, self._num_samples * 1000 // self._rate_hz)

    def _forget(self) -> None:
        self._turn = None
        self._silence.clear()
        if self._detector is not None:
            self._detector.stop()
