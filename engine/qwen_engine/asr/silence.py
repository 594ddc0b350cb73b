"""Where a recording has speech, and where it is softest."""

from dataclasses import dataclass

import numpy as np

from qwen_engine.asr.vad.activity import Detector
from qwen_engine.asr.vad.bands import HOP, SAMPLE_RATE_HZ, band_powers, in_db, over_three
from qwen_engine.asr.vad.energy import EnergyDetector

MIN_SPEECH_S = 0.08
MIN_SILENCE_S = 0.4
PADDING_S = 0.2
BY_ENERGY = EnergyDetector()


@dataclass(frozen=True, order=True)
class Span:
    """Samples `start` up to, not including, `end`."""

    start: int
    end: int

    def __len__(self) -> int:
        return self.end - self.start


def speech_spans(samples: np.ndarray, detector: Detector = BY_ENERGY) -> list[Span]:
    """The stretches of `samples` (n,), at 16 kHz, with speech.

    They come in order and are apart by at least 0.4 s less their padding of 0.2 s.
    """
    if not len(samples):
        return []
    activity = detector.detect(samples)
    frame_s = activity.hop / SAMPLE_RATE_HZ
    starts, ends = _stretches(activity.soft)
    loud = np.concatenate([[0], np.cumsum(activity.loud)])
    kept = (loud[ends] - loud[starts]) * frame_s >= MIN_SPEECH_S
    starts, ends = _bridged(starts[kept], ends[kept], MIN_SILENCE_S / frame_s)
    starts, ends = _padded(starts, ends, round(PADDING_S / frame_s))
    return [
        Span(int(a) * activity.hop, min(int(b) * activity.hop, len(samples))) for a, b in zip(starts, ends, strict=True)
    ]


def softest(samples: np.ndarray) -> int:
    """The index in the middle of the softest 60 ms of `samples` (n,), n > 0: where most bands of speech are silent."""
    powers = band_powers(samples)
    level_db = in_db(over_three(np.pad(powers, ((1, 1), (0, 0)), mode="edge"))).mean(axis=1)
    return min(int(level_db.argmin()) * HOP + HOP // 2, len(samples))


def _stretches(active: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Starts and ends of the runs of True."""
    change = np.diff(active.astype(np.int8), prepend=0, append=0)
    return np.flatnonzero(change == 1), np.flatnonzero(change == -1)


def _bridged(starts: np.ndarray, ends: np.ndarray, min_silence: float) -> tuple[np.ndarray, np.ndarray]:
    """Stretches with no real pause between them are one."""
    if not len(starts):
        return starts, ends
    apart = starts[1:] - ends[:-1] >= min_silence
    return starts[np.append(True, apart)], ends[np.append(apart, True)]


def _padded(starts: np.ndarray, ends: np.ndarray, padding: int) -> tuple[np.ndarray, np.ndarray]:
    """Room for what is too soft to be seen; neighbours, at least twice the padding apart, may come to touch."""
    return np.maximum(starts - padding, 0), ends + padding
