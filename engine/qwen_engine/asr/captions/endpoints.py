"""Where segments of a live stream begin and end, by a causal detector of `asr.vad`.

It works on the detector's frames: how the stream is cut into chunks changes no segment.
"""

from dataclasses import dataclass

import numpy as np

from qwen_engine.asr.silence import BY_ENERGY, MIN_SPEECH_S, Span
from qwen_engine.asr.vad.activity import Detector, FrameActivity
from qwen_engine.asr.vad.bands import SAMPLE_RATE_HZ

PADDING = int(0.3 * SAMPLE_RATE_HZ)
LONG_SEGMENT_S = 12.0  # then half the silence ends it: continuous speech has only breathing pauses
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
        self._detector = detector.streaming()
        self._position = 0
        self._now = 0  # the end of the last classified frame, a little behind `_position`
        self._free = 0  # the end of the last segment
        self._num_loud = 0
        self._levels: list[float] = []  # of each frame since the running segment was noticed
        self.start: int | None = None
        self.speech_end = 0

    @property
    def needed_from(self) -> int:
        """Samples before it will be part of no segment."""
        return (
            max(self._free, self._now - PADDING - self._num_loud * self._detector.hop)
            if self.start is None
            else self.start
        )

    def feed(self, samples: np.ndarray) -> list[Span]:
        """Add `samples` (n,); the segments that have ended."""
        self._position += len(samples)
        return [span for frame in self._detector.feed(samples) if (span := self._advance(frame)) is not None]

    def finish(self) -> Span | None:
        """The stream ends: the segment that was running."""
        return None if self.start is None else self._end(min(self._position, self.speech_end + PADDING))

    def _advance(self, frame: FrameActivity) -> Span | None:
        self._now += self._detector.hop
        if self.start is None:
            self._detect_start(frame)
            return None
        self._levels.append(frame.level)
        if frame.soft:
            self.speech_end = self._now
        if self._now - self.speech_end >= self._end_silence():
            return self._end(self.speech_end + PADDING)
        if self._now - self.start >= self._limits.max_segment_s * SAMPLE_RATE_HZ:
            return self._cut()
        return None

    def _detect_start(self, frame: FrameActivity) -> None:
        self._num_loud = self._num_loud + 1 if frame.loud else 0
        if self._num_loud * self._detector.hop >= MIN_SPEECH_S * SAMPLE_RATE_HZ:
            self.start, self.speech_end = self.needed_from, self._now
            self._levels = []

    def _end_silence(self) -> int:
        assert self.start is not None
        is_long = self._now - self.start > LONG_SEGMENT_S * SAMPLE_RATE_HZ
        return int(self._limits.silence_s * SAMPLE_RATE_HZ / (2 if is_long else 1))

    def _end(self, position: int) -> Span:
        assert self.start is not None
        span = Span(self.start, position)
        self.start, self._num_loud, self._free = None, 0, position
        return span

    def _cut(self) -> Span:
        """At the softest place of the second half; the rest becomes the running segment."""
        assert self.start is not None
        hop = self._detector.hop
        first = self._now - len(self._levels) * hop
        earliest = (self.start + int(self._limits.max_segment_s * SAMPLE_RATE_HZ) // 2 - first) // hop
        latest = len(self._levels) - int(SHORTEST_REST_S * SAMPLE_RATE_HZ) // hop
        softest = earliest + int(np.argmin(self._levels[earliest:latest]))
        span = Span(self.start, first + softest * hop + hop // 2)
        self._levels = self._levels[softest + 1 :]
        self.start = self._free = span.end
        return span
