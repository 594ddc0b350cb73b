"""A chunk of a live stream, and what is answered to it."""

from collections.abc import Hashable
from dataclasses import dataclass

from qwen_engine.asr.request import Segment
from qwen_engine.options import CaptionOptions


@dataclass(frozen=True)
class CaptionRequest:
    """One chunk of stream `stream_id`; `audio` is raw samples, and empty where only `start` or `end` is meant.

    `options` count where the stream starts; later chunks may repeat them, or leave them out.
    """

    stream_id: Hashable
    audio: bytes
    options: CaptionOptions
    start: bool = False
    end: bool = False


@dataclass(frozen=True)
class Caption:
    """What a stream has said up to `audio_s`.

    `stable` is all text since its beginning that will not change any more, `partial`, which follows it, still may;
    `segments` have ended since the caption before, number `segment` is running.
    """

    index: int
    stable: str
    partial: str
    language: str | None
    segment: int
    segments: tuple[Segment, ...]
    audio_s: float
    is_final: bool
