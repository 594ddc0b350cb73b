"""What makes a frame speech: it stands out of the noise in many bands at once, and it moves.

In each band, the noise is what the quietest moments around have. Hum, hiss and tones are as loud then as ever, so they
stand out nowhere; a tone that comes and goes does in few bands; a click does in many, for a moment. Music stands out
for long, but its notes stand still, while the bands of speech rise and fall by many decibels in a tenth of a second.
"""

import numpy as np

from qwen_engine.asr.vad.bands import in_db

REACH = 3  # frames on either side that the evidence of one goes by

MAX_SNR_DB = 14.0  # of a band: however loud, a tone or two are no speech
MAX_FLUX_DB = 20.0
LOUD_SNR_DB = 4.4  # mean of all bands; noise alone has 2.3, and 3.0 in one frame of a hundred
SOFT_SNR_DB = 3.4
MOVING_DB = 5.0

DENSITY_FRAMES = 41  # 0.8 s
LOUD_DENSITY = 0.4  # frames that move among those that are loud; speech has 0.7 and more, chords have 0.05
SOFT_DENSITY = 0.2

FLOOR_PERCENTILE = 10
QUIETEST_FLOOR_DB = -88.0  # of a band: what is softer than that is silence
DEEPEST_PAUSE_DB = 55.0  # below the loudest of a band; lower levels are not the room's noise


def evidence(powers: np.ndarray, floors_db: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How far frames stand out (dB, mean of the bands) and whether they move, both (n,).

    `powers` (n + 2 REACH, bands) has REACH more frames on either side; `floors_db`: (bands,), or as `powers`.
    """
    over_db = np.maximum(in_db(powers) - floors_db, 0)
    snr_db = np.minimum(over_db, MAX_SNR_DB)
    here = snr_db[REACH:-REACH]
    moved_db = np.minimum(np.abs(over_db[REACH + 2 : -1] - over_db[1 : -REACH - 2]), MAX_FLUX_DB)
    flux_db = (moved_db * here).sum(axis=1) / np.maximum(here.sum(axis=1), 1e-3)
    return _without_clicks(snr_db.mean(axis=1)), flux_db > MOVING_DB


def _without_clicks(snr_db: np.ndarray) -> np.ndarray:
    """Medians of five frames, then means of three."""
    medians = np.sort(np.lib.stride_tricks.sliding_window_view(snr_db, 5), axis=1)[:, 2]
    means: np.ndarray = (medians[:-2] + medians[1:-1] + medians[2:]) / 3
    return means


def judged(snr_db: np.ndarray, moves: np.ndarray, *, ahead: int) -> tuple[np.ndarray, np.ndarray]:
    """Which frames are loud and which are soft speech, (n,) bool, by their evidence and the density around them.

    The density is that of DENSITY_FRAMES up to `ahead` frames after the one in question.
    """
    loud, soft = snr_db > LOUD_SNR_DB, snr_db > SOFT_SNR_DB
    density = _counted(soft & moves, ahead) / np.maximum(_counted(loud, ahead), 1)
    return loud & (density >= LOUD_DENSITY), soft & (density >= SOFT_DENSITY)


def _counted(flags: np.ndarray, ahead: int) -> np.ndarray:
    counts = np.convolve(flags.astype(np.int64), np.ones(DENSITY_FRAMES, np.int64))
    return counts[ahead : ahead + len(flags)]
