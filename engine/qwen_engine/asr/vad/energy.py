"""The detector without a model: by the evidence of the bands (see `evidence`)."""

import numpy as np

from qwen_engine.asr.vad.activity import Activity, FrameActivity
from qwen_engine.asr.vad.bands import (
    BEFORE,
    HOP,
    NUM_BANDS,
    WINDOW,
    band_powers,
    in_db,
    over_three,
    powers_of,
    sliding_frames,
)
from qwen_engine.asr.vad.evidence import DENSITY_FRAMES, REACH, evidence, judged
from qwen_engine.asr.vad.floors import BLOCK_FRAMES, recording_floors_db, stream_floors_db

MEMORY_FRAMES = 500  # the floor of a stream is that of its last ten seconds
GROUP_FRAMES = 10  # frames of a stream that are judged together
# A stream may begin with speech: at first, the room is assumed to be quiet.
ROOM_DB = -75.0  # of a band
ROOM_FRAMES = 5


class EnergyDetector:
    """A `Detector`."""

    def detect(self, samples: np.ndarray) -> Activity:
        powers = band_powers(samples)
        floors_db = recording_floors_db(powers)
        padded = np.pad(powers, ((REACH, REACH), (0, 0)), mode="edge")
        blocks = [
            evidence(padded[at : at + BLOCK_FRAMES + 2 * REACH], floors_db[at // BLOCK_FRAMES])
            for at in range(0, len(powers), BLOCK_FRAMES)
        ]
        snr_db, moves = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
        return Activity(*judged(snr_db, moves, ahead=DENSITY_FRAMES // 2), HOP)

    def streaming(self) -> "StreamingEnergyDetector":
        return StreamingEnergyDetector()


class StreamingEnergyDetector:
    """A `StreamingDetector`: a frame is known 0.1 to 0.3 s later."""

    hop = HOP

    def __init__(self) -> None:
        self._samples: np.ndarray | None = None  # from the first frame on whose power is not known
        self._powers = np.zeros((0, NUM_BANDS), np.float32)  # from REACH frames before the next group on
        self._recent_db = np.full((NUM_BANDS, ROOM_FRAMES), ROOM_DB, np.float32)
        self._snr_db = np.zeros(DENSITY_FRAMES - 1)
        self._moves = np.zeros(DENSITY_FRAMES - 1, bool)

    def feed(self, samples: np.ndarray) -> list[FrameActivity]:
        """As `StreamingDetector.feed`."""
        self._add_powers(samples)
        known: list[FrameActivity] = []
        while len(self._powers) >= GROUP_FRAMES + 2 * REACH:
            known += self._judged(self._powers[: GROUP_FRAMES + 2 * REACH])
            self._powers = self._powers[GROUP_FRAMES:]
        return known

    def _add_powers(self, samples: np.ndarray) -> None:
        if self._samples is None:
            self._samples = samples[:1].repeat(BEFORE) if len(samples) else None
        if self._samples is None:
            return
        self._samples = np.concatenate((self._samples, samples))
        if len(self._samples) >= WINDOW:
            frames = sliding_frames(self._samples)
            self._samples = self._samples[len(frames) * HOP :]
            powers = powers_of(frames)
            before = self._powers if len(self._powers) else powers[:1].repeat(REACH, axis=0)
            self._powers = np.concatenate((before, powers))

    def _judged(self, powers: np.ndarray) -> list[FrameActivity]:
        """The group in the middle of `powers`, which has REACH frames more on either side."""
        level_db = in_db(over_three(powers[REACH - 1 : 1 - REACH]))
        self._recent_db = np.concatenate((self._recent_db, level_db.T), axis=1)[:, -MEMORY_FRAMES:]
        snr_db, moves = evidence(powers, stream_floors_db(self._recent_db))
        snr_db, moves = np.concatenate((self._snr_db, snr_db)), np.concatenate((self._moves, moves))
        self._snr_db, self._moves = snr_db[GROUP_FRAMES:], moves[GROUP_FRAMES:]
        loud, soft = (flags[-GROUP_FRAMES:] for flags in judged(snr_db, moves, ahead=0))
        return list(map(FrameActivity, loud.tolist(), soft.tolist(), level_db.mean(axis=1).tolist()))
