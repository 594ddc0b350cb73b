"""The spectrum where speech is, 200 to 4000 Hz, in bands: hum and rumble lie below."""

import numpy as np

SAMPLE_RATE_HZ = 16000
WINDOW = 512  # samples
HOP = 320
BEFORE = (WINDOW - HOP) // 2  # so many samples of a window come before its frame
BLOCK_FRAMES = 200  # of one pass over the samples: temporaries stay in the processor's cache

NUM_BANDS = 16
LOWEST_HZ, HIGHEST_HZ = 200.0, 4000.0
NOTHING = 1e-13


def _blackman_harris() -> np.ndarray:
    """Sidelobes of -92 dB: a loud hum stays out of the bands. Powers of all bins add up to the mean square."""
    turn = 2 * np.pi * np.arange(WINDOW) / WINDOW
    window = 0.35875 - 0.48829 * np.cos(turn) + 0.14128 * np.cos(2 * turn) - 0.01168 * np.cos(3 * turn)
    return (window / np.sqrt((window**2).sum() * WINDOW / 2)).astype(np.float32)


def _first_bins() -> np.ndarray:
    """The FFT bins where bands begin, and the one where the last one ends: equally far apart on the mel scale."""
    low, high = (np.log1p(hz / 700) for hz in (LOWEST_HZ, HIGHEST_HZ))
    edges_hz = 700 * np.expm1(np.linspace(low, high, NUM_BANDS + 1))
    return np.rint(edges_hz * WINDOW / SAMPLE_RATE_HZ).astype(int)


_TAPER = _blackman_harris()
_BINS = _first_bins()


def powers_of(frames: np.ndarray) -> np.ndarray:
    """Mean square in each band, (n, NUM_BANDS) float32, of frames (n, WINDOW)."""
    spectrum = np.fft.rfft(frames * _TAPER)[:, : _BINS[-1]]
    power = spectrum.real**2 + spectrum.imag**2
    return np.add.reduceat(power, _BINS[:-1], axis=1).astype(np.float32)


def band_powers(samples: np.ndarray) -> np.ndarray:
    """`powers_of` every 20 ms of `samples` (n,), n > 0, the last of which may be shorter: (frames, NUM_BANDS)."""
    num_frames = -(-len(samples) // HOP)
    blocks = range(0, num_frames, BLOCK_FRAMES)
    return np.concatenate([powers_of(_frames(samples, at, min(at + BLOCK_FRAMES, num_frames))) for at in blocks])


def _frames(samples: np.ndarray, first: int, end: int) -> np.ndarray:
    """Frames `first` up to `end`: each in the middle of its window; beyond the edges, the outermost samples repeat."""
    start, stop = first * HOP - BEFORE, (end - 1) * HOP - BEFORE + WINDOW
    inside = samples[max(start, 0) : stop]
    padding = (max(-start, 0), max(stop - len(samples), 0))
    return sliding_frames(np.pad(inside, padding, mode="edge") if any(padding) else inside)


def sliding_frames(samples: np.ndarray) -> np.ndarray:
    """Views of WINDOW samples, HOP apart."""
    return np.lib.stride_tricks.sliding_window_view(samples, WINDOW)[::HOP]


def in_db(powers: np.ndarray) -> np.ndarray:
    """10 log10, bounded below."""
    decibels: np.ndarray = 10 * np.log10(np.maximum(powers, NOTHING))
    return decibels


def over_three(powers: np.ndarray) -> np.ndarray:
    """Means of each row and its neighbours: two fewer rows."""
    mean: np.ndarray = (powers[:-2] + powers[1:-1] + powers[2:]) / 3
    return mean
