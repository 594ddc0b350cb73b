"""Where segments of a live stream begin and end: a detector of `asr.vad`, with no more to go by than the past.

It goes by the detector's frames, whatever the chunks are: where the stream is cut changes no segment.
"""

from dataclasses import dataclass

import numpy as np

from qwen_engine.asr.silence import BY_ENERGY, MIN_SPEECH_S, Span
from qwen_engine.asr.vad.activity import Detector, FrameActivity
from qwen_engine.asr.vad.bands import SAMPLE_RATE_HZ

PADDING = int(0.3 * SAMPLE_RATE_HZ)
LONG_SEGMENT_S = 12.0  # then half the silence will do: who speaks without pause still breathes
SHORTEST_REST_S = 1.0


@dataclass(frozen=True)
class EndpointLimits:
    """`silence_s` ends a segment; `max_segment_s` does, too, at its softest place."""

    silence_s: float
    max_segment_s: float


class Endpoints:
    """Follows one stream; positions are samples since its beginning.

    Example:
        for span in endpoints.feed(samples):
            print("ended:", span)
        endpoints.start  # of the running segment; None: silence
    """

    def __init__(self, limits: EndpointLimits, detector: Detector = BY_ENERGY) -> None:
        self._limits = limits
        self._follower = detector.follow()
        self._position = 0
        self._now = 0  # up to here, the detector has judged; it is a little behind
        self._free = 0  # up to here, samples belong to segments that have ended
        self._num_loud = 0
        self._levels: list[float] = []  # of each frame since the running segment was noticed
        self.start: int | None = None
        self.speech_end = 0

    @property
    def needed_from(self) -> int:
        """What was before will be part of no segment."""
        return (
            max(self._free, self._now - PADDING - self._num_loud * self._follower.hop)
            if self.start is None
            else self.start
        )

    def feed(self, samples: np.ndarray) -> list[Span]:
        """Go on by `samples` (n,); the segments that have ended."""
        self._position += len(samples)
        return [span for frame in self._follower.feed(samples) if (span := self._advance(frame)) is not None]

    def finish(self) -> Span | None:
        """Nothing follows: the segment that was running."""
        return None if self.start is None else self._end(min(self._position, self.speech_end + PADDING))

    def _advance(self, frame: FrameActivity) -> Span | None:
        self._now += self._follower.hop
        if self.start is None:
            self._listen(frame)
            return None
        self._levels.append(frame.level)
        if frame.soft:
            self.speech_end = self._now
        if self._now - self.speech_end >= self._patience():
            return self._end(self.speech_end + PADDING)
        if self._now - self.start >= self._limits.max_segment_s * SAMPLE_RATE_HZ:
            return self._cut()
        return None

    def _listen(self, frame: FrameActivity) -> None:
        self._num_loud = self._num_loud + 1 if frame.loud else 0
        if self._num_loud * self._follower.hop >= MIN_SPEECH_S * SAMPLE_RATE_HZ:
            self.start, self.speech_end = self.needed_from, self._now
            self._levels = []

    def _patience(self) -> int:
        assert self.start is not None
        is_long = self._now - self.start > LONG_SEGMENT_S * SAMPLE_RATE_HZ
        return int(self._limits.silence_s * SAMPLE_RATE_HZ / (2 if is_long else 1))

    def _end(self, position: int) -> Span:
        assert self.start is not None
        span = Span(self.start, position)
        self.start, self._num_loud, self._free = None, 0, position
        return span

    def _cut(self) -> Span:
        """At the softest place of the second half; what follows it goes on as a segment of its own."""
        assert self.start is not None
        hop = self._follower.hop
        first = self._now - len(self._levels) * hop
        earliest = (self.start + int(self._limits.max_segment_s * SAMPLE_RATE_HZ) // 2 - first) // hop
        latest = len(self._levels) - int(SHORTEST_REST_S * SAMPLE_RATE_HZ) // hop
        softest = earliest + int(np.argmin(self._levels[earliest:latest]))
        span = Span(self.start, first + softest * hop + hop // 2)
        self._levels = self._levels[softest + 1 :]
        self.start = self._free = span.end
        return span
