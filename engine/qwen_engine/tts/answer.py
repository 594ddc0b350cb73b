"""AUDIO and EVENT of `qwen3_tts` from the engine's events."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from qwen_engine.audio import pcm16
from qwen_engine.tts.request import AudioChunk, ControlEvent
from qwen_wire.options import TtsOptions
from qwen_wire.speech import AudioEvent


def encode(event: AudioChunk | ControlEvent, options: TtsOptions) -> dict[str, Any]:
    """AUDIO and EVENT of one event."""
    if not isinstance(event, AudioChunk):
        return {"AUDIO": b"", "EVENT": event}
    audio_event = AudioEvent(
        frames=event.frames,
        elapsed_s=event.elapsed_s,
        sample_rate_hz=event.sample_rate_hz,
        consent=event.consent,
    )
    return {"AUDIO": options.encode(pcm16(event.samples)), "EVENT": audio_event}


def join(events: Sequence[AudioChunk | ControlEvent]) -> AudioChunk | ControlEvent:
    """All audio as one chunk; without audio there is one event."""
    chunks = [event for event in events if isinstance(event, AudioChunk)]
    if not chunks:
        return events[-1]
    samples = np.concatenate([chunk.samples for chunk in chunks])
    return replace(chunks[-1], samples=samples, consent=chunks[0].consent)
