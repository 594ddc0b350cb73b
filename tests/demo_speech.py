"""The recordings in demo/audio as speech of any length, without the silence around them."""

import functools
from pathlib import Path

import numpy as np
import soundfile
import soxr

AUDIO = Path(__file__).parents[1] / "demo" / "audio"
SAMPLE_RATE_HZ = 16000


@functools.cache
def sentences() -> list[np.ndarray]:
    """What is said in each of them, float32 (n,) at 16 kHz."""
    clips = []
    for name in ("message", "request"):
        samples, rate_hz = soundfile.read(AUDIO / f"{name}.wav", dtype="float32")
        samples = soxr.resample(samples, rate_hz, SAMPLE_RATE_HZ)
        loud = np.flatnonzero(np.abs(samples) > 0.01)
        clips.append(samples[loud[0] : loud[-1] + 1])
    return clips


def spoken(duration_s: float) -> np.ndarray:
    """So many seconds of them, over and over."""
    return np.resize(np.concatenate(sentences()), int(duration_s * SAMPLE_RATE_HZ))
