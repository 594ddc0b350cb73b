"""A chunk of a live stream."""

from collections.abc import Hashable
from dataclasses import dataclass

from qwen_wire.options import CaptionOptions


@dataclass(frozen=True)
class CaptionRequest:
    """One chunk of stream `stream_id`; `audio` is raw samples, and empty where only `start` or `end` is meant.

    `options` count where the stream starts; later chunks may repeat them, or leave them out, but for the token of
    the first `Caption`.
    """

    stream_id: Hashable
    audio: bytes
    options: CaptionOptions
    start: bool = False
    end: bool = False

    @property
    def opens(self) -> bool:
        """Whether it begins a stream: a chunk with a token continues one."""
        return self.start and self.options.token is None
