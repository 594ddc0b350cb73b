"""Samples: float32, mono, full scale 1."""

import numpy as np


def pcm16(samples: np.ndarray) -> bytes:
    """Little-endian 16-bit PCM of float samples, 1.0 being 32768; what does not fit is clipped."""
    return np.clip((samples * 32768.0).round(), -32768, 32767).astype("<i2").tobytes()


def is_silent(samples: np.ndarray, *, sample_rate_hz: int, floor_dbfs: float = -60.0) -> bool:
    """True if no 30 ms of `samples` (n,) are louder than `floor_dbfs`, constant offset left out."""
    window = max(1, int(0.03 * sample_rate_hz))
    padded = np.pad(samples - samples.mean(), (0, -len(samples) % window))
    loudest = np.sqrt((padded.reshape(-1, window) ** 2).mean(axis=1).max())
    return bool(loudest < 10 ** (floor_dbfs / 20))
