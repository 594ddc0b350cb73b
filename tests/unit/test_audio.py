"""What is done with samples."""

import numpy as np

from qwen_engine.audio import is_silent, pcm16

RATE_HZ = 16000


def test_pcm16_clips():
    assert np.frombuffer(pcm16(np.array([0.0, 1.0, -1.0, 2.0, -2.0])), "<i2").tolist() == [
        0,
        32767,
        -32768,
        32767,
        -32768,
    ]


def test_silence_is_told_from_speech():
    noise = np.random.default_rng(0).normal(0, 1e-4, RATE_HZ).astype(np.float32)
    assert is_silent(np.zeros(RATE_HZ, np.float32), sample_rate_hz=RATE_HZ)
    assert is_silent(noise + 0.2, sample_rate_hz=RATE_HZ)  # a constant offset is no sound
    short = noise.copy()
    short[8000:8500] += 0.5 * np.sin(np.arange(500) * 0.17).astype(np.float32)
    assert not is_silent(short, sample_rate_hz=RATE_HZ)
