"""A pitch track of clean speech, fast enough for tens of thousands of utterances: autocorrelation of every frame."""

import numpy as np

from demo.training.tts_config import SAMPLE_RATE_HZ, SAMPLES_PER_FRAME

WINDOW = 1536
FFT_SIZE = 4096
LOWEST_HZ, HIGHEST_HZ = 60, 420
VOICED = 0.6  # autocorrelation of a voiced frame at its period
NEARLY_BEST = 0.85  # the shortest period whose peak is this high counts: its multiples peak as well
QUIET = 1e-3  # of the loudest frame's energy


def frame_pitch_hz(audio: np.ndarray) -> np.ndarray:
    """Pitch of each frame of `audio` (24 kHz, whole frames) around its middle; NaN where nothing is voiced."""
    starts = np.arange(len(audio) // SAMPLES_PER_FRAME) * SAMPLES_PER_FRAME + (SAMPLES_PER_FRAME - WINDOW) // 2
    window = np.hanning(WINDOW)
    shortest, longest = SAMPLE_RATE_HZ // HIGHEST_HZ, SAMPLE_RATE_HZ // LOWEST_HZ
    correlation = _autocorrelation(np.stack([audio[start : start + WINDOW] for start in starts]) * window, longest + 2)
    energy = correlation[:, 0]
    own = _autocorrelation(window[None], longest + 2)[0]
    normalised = correlation / np.maximum(energy[:, None], 1e-9) / (own / own[0])
    middle = normalised[:, shortest : longest + 1]
    best = middle.max(1, keepdims=True)
    left, right = normalised[:, shortest - 1 : longest], normalised[:, shortest + 1 : longest + 2]
    peaks = (middle >= left) & (middle >= right) & (middle > NEARLY_BEST * best)
    voiced = peaks.any(1) & (best[:, 0] > VOICED) & (energy > QUIET * energy.max())
    return np.where(voiced, SAMPLE_RATE_HZ / (shortest + peaks.argmax(1)), np.nan)


def _autocorrelation(frames: np.ndarray, num_lags: int) -> np.ndarray:
    """(count, num_lags) of `frames` (count, WINDOW)."""
    power = np.abs(np.fft.rfft(frames, FFT_SIZE)) ** 2
    return np.fft.irfft(power)[:, :num_lags]


def median_pitch_hz(audio: np.ndarray) -> float:
    """Over the voiced frames of `audio` (24 kHz, whole frames); NaN where nothing is voiced."""
    track_hz = frame_pitch_hz(audio)
    voiced = track_hz[~np.isnan(track_hz)]
    return float(np.median(voiced)) if len(voiced) else float("nan")
