"""Where segments of a live stream begin and end: the detector of `silence.py`, with no more to go by than the past.

It goes by frames of 10 ms, whatever the chunks are: where the stream is cut changes no segment.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from qwen_engine.asr.request import SAMPLE_RATE_HZ
from qwen_engine.asr.silence import (
    DEEPEST_PAUSE_DB,
    DIGITAL_SILENCE_DB,
    FALL_DB,
    FLOOR_PERCENTILE,
    FRAME_S,
    MAX_RISE_DB,
    MIN_RISE_DB,
    MIN_SPEECH_S,
    QUIETEST_SPEECH_DBFS,
    RISE_SHARE,
    SMOOTHING_FRAMES,
    Span,
)

FRAME = int(FRAME_S * SAMPLE_RATE_HZ)
MEMORY_FRAMES = 1000  # the floor is that of the last ten seconds
LEVELS_EVERY_FRAMES = 10
# A stream may begin with speech: until it is known better, the room is taken to be quiet, for a moment.
ROOM_DB = -60.0
ROOM_FRAMES = 10
LOUDEST_PERCENTILE = 99
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

    def __init__(self, limits: EndpointLimits) -> None:
        self._limits = limits
        self._levels = _Levels()
        self._threshold_db = QUIETEST_SPEECH_DBFS
        self._now = 0
        self._free = 0  # up to here, samples belong to segments that have ended
        self._num_loud = 0
        self._segment_db: list[float] = []  # of each frame since the running segment was noticed
        self.start: int | None = None
        self.speech_end = 0

    @property
    def needed_from(self) -> int:
        """What was before will be part of no segment."""
        return max(self._free, self._now - PADDING - self._num_loud * FRAME) if self.start is None else self.start

    def feed(self, samples: np.ndarray) -> list[Span]:
        """Go on by `samples` (n,); the segments that have ended."""
        return [span for level_db in self._levels.feed(samples) if (span := self._advance(level_db)) is not None]

    def finish(self) -> Span | None:
        """Nothing follows: the segment that was running."""
        return None if self.start is None else self._end(min(self._levels.position, self.speech_end + PADDING))

    def _advance(self, level_db: float) -> Span | None:
        self._now += FRAME
        if self._now // FRAME % LEVELS_EVERY_FRAMES == 1:
            self._threshold_db = self._levels.threshold_db()
        if self.start is None:
            self._listen(level_db)
            return None
        self._segment_db.append(level_db)
        if level_db > self._threshold_db - FALL_DB:
            self.speech_end = self._now
        if self._now - self.speech_end >= self._patience():
            return self._end(self.speech_end + PADDING)
        if self._now - self.start >= self._limits.max_segment_s * SAMPLE_RATE_HZ:
            return self._cut()
        return None

    def _listen(self, level_db: float) -> None:
        self._num_loud = self._num_loud + 1 if level_db > self._threshold_db else 0
        if self._num_loud * FRAME >= MIN_SPEECH_S * SAMPLE_RATE_HZ:
            self.start, self.speech_end = self.needed_from, self._now
            self._segment_db = []

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
        first = self._now - len(self._segment_db) * FRAME
        earliest = (self.start + int(self._limits.max_segment_s * SAMPLE_RATE_HZ) // 2 - first) // FRAME
        latest = len(self._segment_db) - int(SHORTEST_REST_S / FRAME_S)
        softest = earliest + int(np.argmin(self._segment_db[earliest:latest]))
        span = Span(self.start, first + softest * FRAME + FRAME // 2)
        self._segment_db = self._segment_db[softest + 1 :]
        self.start = self._free = span.end
        return span


class _Levels:
    """Loudness of every frame, smoothed over those before, and what of it is speech."""

    def __init__(self) -> None:
        self.position = 0
        self._rest = np.zeros(0, np.float32)
        self._power = np.zeros(SMOOTHING_FRAMES - 1)
        self._recent_db = deque([ROOM_DB] * ROOM_FRAMES, MEMORY_FRAMES)

    def feed(self, samples: np.ndarray) -> Iterator[float]:
        """dBFS of each whole frame; `threshold_db` knows those that were taken."""
        self.position += len(samples)
        samples = np.concatenate((self._rest, samples))
        whole = len(samples) // FRAME * FRAME
        self._rest = samples[whole:]
        if not whole:
            return
        power = np.concatenate((self._power, samples[:whole].reshape(-1, FRAME).var(axis=1, dtype=np.float64)))
        self._power = power[len(power) - SMOOTHING_FRAMES + 1 :]
        smooth = np.lib.stride_tricks.sliding_window_view(power, SMOOTHING_FRAMES).mean(axis=1)
        for level_db in 10 * np.log10(np.maximum(smooth, 10 ** (DIGITAL_SILENCE_DB / 10))):
            self._recent_db.append(float(level_db))
            yield float(level_db)

    def threshold_db(self) -> float:
        """Well above the quietest moments of the last seconds."""
        recent_db = np.array(self._recent_db)
        loudest_db = _percentile(recent_db, LOUDEST_PERCENTILE)
        floor_db = _percentile(recent_db[recent_db >= loudest_db - DEEPEST_PAUSE_DB], FLOOR_PERCENTILE)
        rise_db = min(max(RISE_SHARE * (loudest_db - floor_db), MIN_RISE_DB), MAX_RISE_DB)
        return max(floor_db + rise_db, QUIETEST_SPEECH_DBFS)


def _percentile(values: np.ndarray, percent: int) -> float:
    """Of values (n,), n > 0, without interpolation: numpy's takes ten times as long."""
    index = percent * (len(values) - 1) // 100
    return float(np.partition(values, index)[index])
