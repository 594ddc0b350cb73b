"""Recordings as long as a job may be."""

import numpy as np

from qwen_engine.asr.pieces import split
from tests.demo_speech import SAMPLE_RATE_HZ, spoken


def test_three_hours_are_split_at_every_pause():
    sentence = np.pad(spoken(5.0), (0, 2 * SAMPLE_RATE_HZ))
    pieces = split(np.tile(sentence, 1543))
    assert len(pieces) == 1543
    assert max(piece.end - piece.start for piece in pieces) < 6 * SAMPLE_RATE_HZ
