"""Sound that is a row of frames, each with a header of its own: MP3, ADTS, AMR.

Such a file needs no index to be read, and goes on behind damage: where a header is wrong, the next right one is looked
for. Files of this kind are often several, joined one after another.
"""

import re
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Protocol

from qwen_media.scanning import matches

NUM_FOLLOWING = 2  # frames that have to follow before one is believed that does not follow another
SEARCH_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Frame:
    """`kind`: what is mostly the same from frame to frame. `is_silent`: it says that nothing is said; `is_bad`: that it
    is damaged."""

    start: int
    size: int
    num_samples: int
    rate_hz: int
    kind: Hashable
    is_silent: bool = False
    is_bad: bool = False

    @property
    def end(self) -> int:
        return self.start + self.size

    @property
    def duration_s(self) -> float:
        return self.num_samples / self.rate_hz


@dataclass(frozen=True, slots=True)
class Tag:
    """No sound, and no damage: what comes behind it is a stream of its own."""


@dataclass(frozen=True, slots=True)
class Hole:
    """What is neither. `at_edge`: no frame comes before or behind it without a tag between them."""

    start: int
    end: int
    at_edge: bool


@dataclass(frozen=True, slots=True)
class Trim:
    """What of the samples of a stream, `num_samples` in all, is sound: those from `first` to before `end`."""

    first: int
    end: int
    num_samples: int


class Framing(Protocol):
    """A kind of frames. `sync` matches what a frame or a tag may begin with."""

    codec: str
    rate_hz: int | None
    sync: re.Pattern[bytes]
    is_of_one_kind: bool  # all frames of a stream

    def frame(self, data: memoryview, at: int) -> Frame | None:
        """The frame whose header is there."""
        ...

    def tag_bytes(self, data: memoryview, at: int) -> int:
        """The size of the tag there; 0: there is none."""
        ...

    def trim(self, data: memoryview, frame: Frame) -> Trim | None:
        """What a frame says of those behind it, in place of sound."""
        return None


def find_frames(data: memoryview, framing: Framing, at: int) -> int | None:
    """Where frames begin, not far behind `at`; None: nowhere."""
    for start in matches(data[: at + SEARCH_BYTES], framing.sync, at):
        frame = framing.frame(data, start)
        if frame is not None and _is_followed(data, framing, frame):
            return start
    return None


def walk(data: memoryview, framing: Framing, at: int) -> Iterator[Frame | Tag | Hole]:
    """All that is there from `at` on, in order."""
    before: Frame | None = None
    while at < len(data):
        frame = framing.frame(data, at)
        if frame is not None and frame.end <= len(data) and _is_believed(data, framing, frame, before):
            yield frame
            before, at = frame, frame.end
        elif size := framing.tag_bytes(data, at):
            yield Tag()
            before, at = None, at + size
        else:
            resumed = _resumed(data, framing, at, before)
            at_edge = before is None or resumed >= len(data) or framing.tag_bytes(data, resumed) > 0
            yield Hole(at, resumed, at_edge)
            before, at = None, resumed


def _is_believed(data: memoryview, framing: Framing, frame: Frame, before: Frame | None) -> bool:
    return (before is not None and before.kind == frame.kind) or _is_followed(data, framing, frame)


def _is_followed(data: memoryview, framing: Framing, frame: Frame) -> bool:
    at = frame.end
    for _ in range(NUM_FOLLOWING):
        if at == len(data) or framing.tag_bytes(data, at):
            return True
        following = framing.frame(data, at)
        if following is None or (framing.is_of_one_kind and following.kind != frame.kind):
            return False
        at = following.end
    return at <= len(data)


def _resumed(data: memoryview, framing: Framing, hole: int, before: Frame | None) -> int:
    """Where frames or tags go on behind a hole; the end, where they do not."""
    likely = [] if before is None else [hole + before.size]  # most files have frames of one size
    for at in chain(likely, matches(data, framing.sync, hole + 1)):
        frame = framing.frame(data, at)
        if framing.tag_bytes(data, at) or (frame is not None and _is_followed(data, framing, frame)):
            return at
    return len(data)
