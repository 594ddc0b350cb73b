"""Speech made faster, slower, higher, lower: what changes, and what does not."""

import subprocess
import sys

import numpy as np
import pytest

from qwen_client import InvalidRequest, Speech, Timings

SAMPLE_RATE_HZ = 24_000
PITCH_HZ = 140.0
SYLLABLES_HZ = 4.0


def voice(duration_s: float = 4.0) -> Speech:
    """A buzz of twelve harmonics whose loudness moves at the pace of syllables."""
    time_s = np.arange(round(duration_s * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    buzz = sum(np.sin(2 * np.pi * PITCH_HZ * order * time_s) / order for order in range(1, 13))
    samples = 0.2 * buzz * (0.55 - 0.45 * np.cos(2 * np.pi * SYLLABLES_HZ * time_s))
    return Speech(samples.astype(np.float32), SAMPLE_RATE_HZ, "stop", None, 0.0, 0.1, Timings(0, 0, 0), "7")


def strongest_hz(signal: np.ndarray, low_hz: float, high_hz: float) -> float:
    """The strongest frequency between the two, to about a tenth of a hertz."""
    spectrum = np.abs(np.fft.rfft(signal * np.hanning(len(signal)), 10 * SAMPLE_RATE_HZ))
    low, high = round(low_hz * 10), round(high_hz * 10)
    return (low + int(np.argmax(spectrum[low:high]))) / 10


def pitch_hz(speech: Speech) -> float:
    return strongest_hz(speech.samples, 60, 300)


def syllables_hz(speech: Speech) -> float:
    loudness = speech.samples**2
    return strongest_hz(loudness - loudness.mean(), 1, 12)


@pytest.mark.parametrize("speed", [0.5, 0.8, 1.25, 2.0])
def test_speed_leaves_the_pitch(speed: float) -> None:
    changed = voice().changed(speed=speed)

    assert changed.duration_s == pytest.approx(4.0 / speed, abs=1e-4)
    assert pitch_hz(changed) == pytest.approx(PITCH_HZ, rel=0.01)
    assert syllables_hz(changed) == pytest.approx(SYLLABLES_HZ * speed, rel=0.05)


@pytest.mark.parametrize("pitch", [0.5, 0.8, 1.25, 2.0])
def test_pitch_leaves_the_speed(pitch: float) -> None:
    changed = voice().changed(pitch=pitch)

    assert len(changed.samples) == len(voice().samples)
    assert pitch_hz(changed) == pytest.approx(PITCH_HZ * pitch, rel=0.01)
    assert syllables_hz(changed) == pytest.approx(SYLLABLES_HZ, rel=0.05)


@pytest.mark.parametrize(("speed", "pitch"), [(2.0, 0.5), (0.5, 2.0), (1.5, 1.5), (1.2, 0.9)])
def test_both_at_once(speed: float, pitch: float) -> None:
    changed = voice().changed(speed=speed, pitch=pitch)

    assert changed.duration_s == pytest.approx(4.0 / speed, abs=1e-4)
    assert pitch_hz(changed) == pytest.approx(PITCH_HZ * pitch, rel=0.01)
    assert syllables_hz(changed) == pytest.approx(SYLLABLES_HZ * speed, rel=0.05)


@pytest.mark.parametrize("speed", [0.5, 0.8, 1.25, 2.0])
def test_loudness_stays_to_the_very_end(speed: float) -> None:
    speech = voice()
    changed = speech.changed(speed=speed)
    part = len(changed.samples) // 8  # half a syllable of each 0.25 s, whatever the speed

    assert np.std(changed.samples) == pytest.approx(np.std(speech.samples), rel=0.05)
    assert np.std(changed.samples[-part:]) == pytest.approx(
        np.std(speech.samples[-len(speech.samples) // 8 :]), rel=0.1
    )
    assert np.abs(changed.samples).max() <= 1.0


@pytest.mark.parametrize("duration_s", [0.0, 1 / SAMPLE_RATE_HZ, 0.01, 0.08])
def test_speech_of_next_to_nothing(duration_s: float) -> None:
    changed = voice(duration_s).changed(speed=0.8, pitch=1.2)

    assert len(changed.samples) == round(len(voice(duration_s).samples) / 0.8)
    assert changed.samples.dtype == np.float32


def test_what_was_told_of_it_stays() -> None:
    changed = voice().changed(speed=1.5)

    assert (changed.sample_rate, changed.finish_reason, changed.request_id) == (SAMPLE_RATE_HZ, "stop", "7")


def test_nothing_to_change_changes_nothing() -> None:
    np.testing.assert_array_equal(voice().changed().samples, voice().samples)


@pytest.mark.parametrize("factors", [{"speed": 0.4}, {"speed": 2.1}, {"pitch": 0.0}, {"pitch": float("nan")}])
def test_factors_out_of_range_are_refused(factors: dict[str, float]) -> None:
    [name] = factors
    with pytest.raises(InvalidRequest, match=rf"{name} is .*: give 0\.5 to 2"):
        voice().changed(**factors)


def test_ffmpeg_is_loaded_only_where_it_is_used() -> None:
    program = "import sys, qwen_client.cli; print('av' in sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout

    assert loaded == "False\n"
