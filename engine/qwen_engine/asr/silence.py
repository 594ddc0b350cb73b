"""Where somebody speaks: by energy against a noise floor that follows the recording.

Speech rises and falls several times a second, noise does not: what stands well above the quietest moments around it
is taken for speech, at any gain. Sound of constant loudness (hum, hiss, a tone) is none.
"""

from dataclasses import dataclass

import numpy as np

FRAME_S = 0.01
SMOOTHING_FRAMES = 5
BLOCK_FRAMES = 6000  # of one pass over the samples: temporaries stay small, however long the recording
DIGITAL_SILENCE_DB = -120.0

QUIETEST_SPEECH_DBFS = -70.0
DEEPEST_PAUSE_DB = 55.0  # below the loudest speech; what is lower tells nothing about the room's noise
FLOOR_BLOCK_FRAMES = 300
FLOOR_BLOCKS_AROUND = 3  # the floor comes from the quietest of so many blocks on either side
FLOOR_PERCENTILE = 10

MIN_RISE_DB, MAX_RISE_DB = 6.0, 10.0
RISE_SHARE = 0.3  # of the distance between floor and speech
FALL_DB = 3.0  # speech that has begun goes on until it is this much below its threshold

MIN_SPEECH_S = 0.06
MIN_SILENCE_S = 0.4
PADDING_S = 0.2


@dataclass(frozen=True, order=True)
class Span:
    """Samples `start` up to, not including, `end`."""

    start: int
    end: int

    def __len__(self) -> int:
        return self.end - self.start


def speech_spans(samples: np.ndarray, sample_rate_hz: int) -> list[Span]:
    """The stretches of `samples` (n,) with speech, in order and apart by at least 0.4 s less their padding of 0.2 s."""
    if not len(samples):
        return []
    level_db = loudness_db(samples, sample_rate_hz)
    loudest_db = np.percentile(level_db, 99)
    floor_db = _noise_floor_db(level_db, loudest_db - DEEPEST_PAUSE_DB)
    rise_db = np.clip(RISE_SHARE * (loudest_db - floor_db), MIN_RISE_DB, MAX_RISE_DB)
    threshold_db = np.maximum(floor_db + rise_db, QUIETEST_SPEECH_DBFS)
    starts, ends = _stretches(level_db > threshold_db - FALL_DB)
    loud = np.concatenate([[0], np.cumsum(level_db > threshold_db)])
    kept = loud[ends] - loud[starts] >= MIN_SPEECH_S / FRAME_S
    starts, ends = _padded(*_bridged(starts[kept], ends[kept]), len(level_db))
    frame = _frame_samples(sample_rate_hz)
    return [Span(int(a) * frame, min(int(b) * frame, len(samples))) for a, b in zip(starts, ends, strict=True)]


def loudness_db(samples: np.ndarray, sample_rate_hz: int) -> np.ndarray:
    """Loudness in dBFS of every 10 ms of `samples` (n,), n > 0, smoothed over 50 ms, without constant offset."""
    frame = _frame_samples(sample_rate_hz)
    power = [
        _frame_power(samples[start : start + BLOCK_FRAMES * frame], frame)
        for start in range(0, len(samples), BLOCK_FRAMES * frame)
    ]
    edge = SMOOTHING_FRAMES // 2
    padded = np.pad(np.concatenate(power), edge, mode="edge")
    smooth = np.convolve(padded, np.full(SMOOTHING_FRAMES, 1 / SMOOTHING_FRAMES), mode="valid")
    return 10 * np.log10(np.maximum(smooth, 10 ** (DIGITAL_SILENCE_DB / 10)))


def _frame_power(samples: np.ndarray, frame: int) -> np.ndarray:
    """Variance of each frame; the last one may be shorter."""
    whole = len(samples) // frame * frame
    power = samples[:whole].reshape(-1, frame).var(axis=1)
    rest = samples[whole:]
    return np.append(power, rest.var()) if len(rest) else power


def _frame_samples(sample_rate_hz: int) -> int:
    return int(FRAME_S * sample_rate_hz)


def _noise_floor_db(level_db: np.ndarray, deepest_db: float) -> np.ndarray:
    """A low percentile of each three seconds, then the lowest of the blocks around: (frames,)."""
    length = FLOOR_BLOCK_FRAMES
    blocks = np.pad(level_db, (0, -len(level_db) % length), constant_values=np.nan).reshape(-1, length)
    informative = np.where(blocks >= deepest_db, blocks, np.nan)
    floors = np.full(len(blocks), np.inf)
    known = np.isfinite(informative).any(axis=1)
    floors[known] = _low_percentile(informative[known])
    around = np.pad(floors, FLOOR_BLOCKS_AROUND, constant_values=np.inf)
    lowest = np.lib.stride_tricks.sliding_window_view(around, 2 * FLOOR_BLOCKS_AROUND + 1).min(axis=1)
    return np.repeat(np.where(np.isfinite(lowest), lowest, deepest_db), length)[: len(level_db)]


def _low_percentile(rows: np.ndarray) -> np.ndarray:
    """The FLOOR_PERCENTILE of each of `rows` without its NaNs: numpy's own takes ten times as long."""
    ascending = np.sort(rows, axis=1)  # NaNs come last
    last = np.isfinite(rows).sum(axis=1) - 1
    place = last * (FLOOR_PERCENTILE / 100)
    below = place.astype(int)
    each = np.arange(len(rows))
    low, high = ascending[each, below], ascending[each, np.minimum(below + 1, last)]
    return low + (place - below) * (high - low)


def _stretches(active: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Starts and ends of the runs of True."""
    change = np.diff(active.astype(np.int8), prepend=0, append=0)
    return np.flatnonzero(change == 1), np.flatnonzero(change == -1)


def _bridged(starts: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Stretches with no real pause between them are one."""
    if not len(starts):
        return starts, ends
    apart = starts[1:] - ends[:-1] >= MIN_SILENCE_S / FRAME_S
    return starts[np.append(True, apart)], ends[np.append(apart, True)]


def _padded(starts: np.ndarray, ends: np.ndarray, num_frames: int) -> tuple[np.ndarray, np.ndarray]:
    """Room for what is too soft to be seen; neighbours, at least twice the padding apart, may come to touch."""
    padding = round(PADDING_S / FRAME_S)
    return np.maximum(starts - padding, 0), np.minimum(ends + padding, num_frames)
