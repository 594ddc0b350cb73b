"""Voice activity by energy: when a speaker begins and ends, in sound that comes piece by piece.

The SDK has no detector, and the gateway loads no model. A frame is speech where its level stands clear of the noise
floor, which is the lowest level of the last seconds (Martin, "Spectral subtraction based on minimum statistics", 1994):
a fan or a bad line is noise after three seconds, while the gaps between words keep the floor low as somebody speaks.
"""

from collections import deque
from dataclasses import dataclass
from typing import Literal

import numpy as np

from qwen_gateway.realtime.audio_formats import SAMPLE_BYTES

FRAME_MS = 20
FLOOR_FRAMES = 150  # 3 s
MIN_FLOOR_DB = -60.0  # of full scale; below it all is silence
START_FRAMES = 3  # a click is shorter
NOTICED_MS = START_FRAMES * FRAME_MS  # after it has begun
MARGIN_DB = (4.0, 16.0)  # above the floor, by `threshold`: 4 dB and up to 16 more
HYSTERESIS_DB = 4.0  # speech goes on at a lower level than it begins with


@dataclass(frozen=True)
class VoiceChange:
    """Somebody began to speak, or stopped, at this sample of the session. A stop is told `silence_ms` later."""

    kind: Literal["started", "stopped"]
    sample: int


class VoiceDetector:
    """changes = VoiceDetector(24_000, threshold=0.5, silence_ms=500).feed(pcm)"""

    def __init__(self, rate_hz: int, threshold: float, silence_ms: int) -> None:
        self._frame_samples = rate_hz * FRAME_MS // 1000
        self._margin_db = MARGIN_DB[0] + threshold * MARGIN_DB[1]
        self._silence_frames = max(1, round(silence_ms / FRAME_MS))
        self._levels_db: deque[float] = deque([MIN_FLOOR_DB] * FLOOR_FRAMES, FLOOR_FRAMES)
        self._rest = b""
        self._num_frames = 0
        self._run = 0  # frames in a row that would change the state
        self.is_speaking = False

    def feed(self, pcm: bytes) -> list[VoiceChange]:
        """The changes in a piece of 16-bit samples."""
        self._rest += pcm
        num_frames = len(self._rest) // (SAMPLE_BYTES * self._frame_samples)
        num_bytes = num_frames * SAMPLE_BYTES * self._frame_samples
        frames = np.frombuffer(self._rest[:num_bytes], "<i2").reshape(num_frames, self._frame_samples)
        self._rest = self._rest[num_bytes:]
        power = np.mean(np.square(frames.astype(np.float32) / 32_768), axis=1)
        return [change for level in 10 * np.log10(power + 1e-10) if (change := self._step(float(level))) is not None]

    def stop(self) -> None:
        """What is being said is taken for ended."""
        self.is_speaking, self._run = False, 0

    def _step(self, level_db: float) -> VoiceChange | None:
        self._num_frames += 1
        self._levels_db.append(level_db)
        above_db = level_db - max(min(self._levels_db), MIN_FLOOR_DB)
        if self.is_speaking:
            return self._count(above_db < self._margin_db - HYSTERESIS_DB, self._silence_frames)
        return self._count(above_db > self._margin_db, START_FRAMES)

    def _count(self, changes: bool, needed: int) -> VoiceChange | None:
        self._run = self._run + 1 if changes else 0
        if self._run < needed:
            return None
        self.is_speaking, self._run = not self.is_speaking, 0
        if self.is_speaking:
            return VoiceChange("started", (self._num_frames - START_FRAMES) * self._frame_samples)
        return VoiceChange("stopped", self._num_frames * self._frame_samples)
