"""The acoustic conditions of the evaluation are what their names say."""

import io
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from demo.training.conditions import CONDITIONS, SAMPLE_RATE_HZ, heard
from qwen_engine.asr.pieces import split


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    samples, rate_hz = soundfile.read(Path(__file__).parents[2] / "demo" / "audio" / "message.wav", dtype="float32")
    assert rate_hz == SAMPLE_RATE_HZ
    return samples


def encoded(name: str, samples: np.ndarray) -> bytes:
    return CONDITIONS[name](samples, np.random.default_rng(1))


def level_db(samples: np.ndarray) -> float:
    return float(10 * np.log10(np.mean(samples**2)))


def test_noise(speech):
    noisy, clean = (heard(speech, CONDITIONS[name], np.random.default_rng(1)) for name in ("noise_at_10_db", "clean"))
    assert level_db(clean) - level_db(noisy - clean) == pytest.approx(10, abs=0.2)


def test_gain(speech):
    quiet = heard(speech, CONDITIONS["gain_minus_30_db"], np.random.default_rng(1))
    assert level_db(speech) - level_db(quiet) == pytest.approx(30, abs=0.2)


@pytest.mark.parametrize(("name", "rate_hz", "channels"), [("rate_8_khz", 8000, 1), ("one_silent_channel", 16000, 2)])
def test_rate_and_channels(speech, name, rate_hz, channels):
    with soundfile.SoundFile(io.BytesIO(encoded(name, speech))) as file:
        assert (file.samplerate, file.channels) == (rate_hz, channels)


def test_mp3_of_32_kbit(speech):
    with av.open(io.BytesIO(encoded("mp3_32_kbit", speech))) as container:
        assert container.streams.audio[0].codec_context.name in ("mp3", "mp3float")
        assert container.streams.audio[0].bit_rate == 32000


@pytest.mark.parametrize("name", CONDITIONS)
def test_the_sentence_is_still_one_piece(speech, name):
    samples = heard(speech, CONDITIONS[name], np.random.default_rng(1))
    added_s = 20 if name == "silence_around" else 0
    assert len(samples) / SAMPLE_RATE_HZ == pytest.approx(len(speech) / SAMPLE_RATE_HZ + added_s, abs=0.2)
    (piece,) = split(samples, SAMPLE_RATE_HZ)
    assert 3.0 < len(piece) / SAMPLE_RATE_HZ < 4.2
