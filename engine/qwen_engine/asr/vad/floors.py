"""The noise in each band: what the quietest moments of a recording have, and those of a stream's last seconds."""

import numpy as np

from qwen_engine.asr.vad.bands import in_db, over_three
from qwen_engine.asr.vad.evidence import DEEPEST_PAUSE_DB, FLOOR_PERCENTILE, QUIETEST_FLOOR_DB

BLOCK_FRAMES = 150  # 3 s
BLOCKS_AROUND = 3  # the floor comes from the quietest of so many blocks on either side
LOUDEST_PERCENTILE = 99


def recording_floors_db(powers: np.ndarray) -> np.ndarray:
    """Floors (blocks, bands) of the blocks of 3 s of `powers` (frames, bands): low percentiles, the lowest around."""
    level_db = in_db(over_three(np.pad(powers, ((1, 1), (0, 0)), mode="edge"))).T
    deepest_db = np.percentile(level_db, LOUDEST_PERCENTILE, axis=1) - DEEPEST_PAUSE_DB
    padded = np.pad(level_db, ((0, 0), (0, -len(powers) % BLOCK_FRAMES)), constant_values=-np.inf)
    blocks = np.sort(padded.reshape(len(level_db), -1, BLOCK_FRAMES))
    floors_db = low_percentile(blocks, deepest_db[:, None])
    around = np.pad(floors_db, ((0, 0), (BLOCKS_AROUND, BLOCKS_AROUND)), constant_values=np.inf)
    lowest = np.lib.stride_tricks.sliding_window_view(around, 2 * BLOCKS_AROUND + 1, axis=1).min(axis=-1).T
    return np.maximum(np.where(np.isfinite(lowest), lowest, deepest_db), QUIETEST_FLOOR_DB)


def stream_floors_db(recent_db: np.ndarray) -> np.ndarray:
    """Floors (bands,) of the levels (bands, frames) of a stream's last seconds."""
    ascending_db = np.sort(recent_db)
    loudest_db = ascending_db[:, LOUDEST_PERCENTILE * (recent_db.shape[1] - 1) // 100]
    return np.maximum(low_percentile(ascending_db, loudest_db - DEEPEST_PAUSE_DB), QUIETEST_FLOOR_DB)


def low_percentile(ascending_db: np.ndarray, deepest_db: np.ndarray) -> np.ndarray:
    """Of levels (..., n), the FLOOR_PERCENTILE of those above `deepest_db` (...); inf where there is none."""
    length = ascending_db.shape[-1]
    num_below = (ascending_db < deepest_db[..., None]).sum(axis=-1)
    place = num_below + np.maximum(length - num_below - 1, 0) * FLOOR_PERCENTILE // 100
    found = np.take_along_axis(ascending_db, np.minimum(place, length - 1)[..., None], axis=-1)[..., 0]
    floors_db: np.ndarray = np.where(num_below < length, found, np.inf)
    return floors_db
