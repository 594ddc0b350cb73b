"""The output of voice activity detection, and its interface for recordings and live streams."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np


@dataclass(frozen=True)
class Activity:
    """Of each frame (n,) bool: `loud`, surely speech; `soft`, speech if next to loud frames.

    `hop` samples lie between one frame and the next.
    """

    loud: np.ndarray
    soft: np.ndarray
    hop: int


class FrameActivity(NamedTuple):
    """`Activity` of one frame of a stream; `level`: how strong its speech would be, in any unit, to find pauses."""

    loud: bool
    soft: bool
    level: float


class StreamingDetector(Protocol):
    """Detects speech in one stream. A frame's result depends on little or nothing after it, and not on the chunks."""

    @property
    def hop(self) -> int:
        """Samples between one frame and the next."""
        ...

    def feed(self, samples: np.ndarray) -> Sequence[FrameActivity]:
        """Add `samples` (n,): the next frames that are known now, in order."""
        ...


class Detector(Protocol):
    """A way to find speech at 16 kHz."""

    def detect(self, samples: np.ndarray) -> Activity:
        """Frame by frame of a whole recording (n,), float32."""
        ...

    def streaming(self) -> StreamingDetector:
        """A new stream."""
        ...
