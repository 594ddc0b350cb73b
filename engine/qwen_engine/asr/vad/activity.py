"""What a detector says of each frame, and what it has to be for recordings and for live streams."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np


@dataclass(frozen=True)
class Activity:
    """Of each frame (n,) bool: `loud`, sure to be speech; `soft`, speech where it is beside what is loud.

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


class Follower(Protocol):
    """Follows one stream; what it says of a frame depends on nothing after it, or on little, and not on the chunks."""

    @property
    def hop(self) -> int:
        """Samples between one frame and the next."""
        ...

    def feed(self, samples: np.ndarray) -> Sequence[FrameActivity]:
        """Go on by `samples` (n,): the frames that are known now, the next ones in order."""
        ...


class Detector(Protocol):
    """A way to find speech at 16 kHz."""

    def detect(self, samples: np.ndarray) -> Activity:
        """Frame by frame of a whole recording (n,), float32."""
        ...

    def follow(self) -> Follower:
        """A new stream."""
        ...
