"""Speech is found at any gain and in noise; what does not rise and fall like speech is none."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from qwen_engine.asr.silence import Span, speech_spans

RATE_HZ = 16000
PAUSES_S = (0.9, 1.2, 2.0, 3.0, 0.8, 1.5)


def sentences() -> list[np.ndarray]:
    """Real speech without the silence around it."""
    clips = []
    for name in ("message", "request"):
        samples, rate_hz = soundfile.read(Path(__file__).parents[2] / "demo" / "audio" / f"{name}.wav", dtype="float32")
        samples = soxr.resample(samples, rate_hz, RATE_HZ)
        loud = np.flatnonzero(np.abs(samples) > 0.01)
        clips.append(samples[loud[0] : loud[-1] + 1])
    return clips


def recording() -> tuple[np.ndarray, list[Span]]:
    """Six sentences with pauses, and where they are."""
    parts, spoken, at = [], [], 0
    for number, pause_s in enumerate(PAUSES_S):
        clip = sentences()[number % 2]
        pause = np.zeros(int(pause_s * RATE_HZ), np.float32)
        parts += [pause, clip]
        spoken.append(Span(at + len(pause), at + len(pause) + len(clip)))
        at += len(pause) + len(clip)
    return np.concatenate([*parts, np.zeros(2 * RATE_HZ, np.float32)]), spoken


def noise(kind: str, length: int) -> np.ndarray:
    """Of power 1."""
    white = np.random.default_rng(5).normal(size=length)
    if kind == "pink":
        frequency = np.maximum(np.fft.rfftfreq(length), 1 / length)
        white = np.fft.irfft(np.fft.rfft(white) / np.sqrt(frequency), length)
    return (white / white.std()).astype(np.float32)


def level(samples: np.ndarray, spoken: list[Span]) -> float:
    return float(np.sqrt(np.mean(np.concatenate([samples[span.start : span.end] for span in spoken]) ** 2)))


def with_noise(kind: str, snr_db: float) -> np.ndarray:
    samples, spoken = recording()
    return samples + noise(kind, len(samples)) * level(samples, spoken) * 10 ** (-snr_db / 20)


CONDITIONS = {
    "clean": lambda: recording()[0],
    "gain -30 dB": lambda: recording()[0] * 10**-1.5,
    "white noise at 10 dB": lambda: with_noise("white", 10),
    "white noise at 10 dB, gain -30 dB": lambda: with_noise("white", 10) * 10**-1.5,
    "pink noise at 10 dB": lambda: with_noise("pink", 10),
    "constant offset": lambda: recording()[0] + 0.3,
    "clipped": lambda: np.clip(recording()[0] * 20, -1, 1),
    "quiet and loud speakers": lambda: quieter_every_other(recording()[0], -20),
}


def quieter_every_other(samples: np.ndarray, gain_db: float) -> np.ndarray:
    for span in recording()[1][::2]:
        samples[span.start : span.end] *= 10 ** (gain_db / 20)
    return samples


@pytest.mark.parametrize("condition", CONDITIONS)
def test_every_sentence_is_found_whole_and_pauses_are_left_out(condition):
    samples, spoken = CONDITIONS[condition](), recording()[1]
    found = speech_spans(samples.astype(np.float32), RATE_HZ)
    assert [any(span.start <= clip.start and clip.end <= span.end for span in found) for clip in spoken] == [True] * 6
    kept = sum(map(len, found)) - sum(map(len, spoken))
    silent = len(samples) - sum(map(len, spoken))
    assert kept < 0.35 * silent


@pytest.mark.parametrize("gain", [10.0, 0.3, 0.03])
def test_the_gain_does_not_matter(gain):
    samples = with_noise("white", 20)
    assert speech_spans((samples * gain).astype(np.float32), RATE_HZ) == speech_spans(samples, RATE_HZ)


def test_silence_around_speech_is_left_out():
    clip = sentences()[0]
    silence = np.zeros(10 * RATE_HZ, np.float32)
    (span,) = speech_spans(np.concatenate([silence, clip, silence]), RATE_HZ)
    assert 0 <= len(silence) - span.start <= 0.25 * RATE_HZ
    assert 0 <= span.end - len(silence) - len(clip) <= 0.3 * RATE_HZ


def test_speech_without_any_pause_is_one_stretch():
    samples = np.concatenate(sentences() * 6)
    assert speech_spans(samples, RATE_HZ) == [Span(0, len(samples))]


@pytest.mark.parametrize("duration_s", [0.0, 0.0001, 0.3, 1.0, 20.0])
@pytest.mark.parametrize("sound", ["zeros", "white", "pink", "hum", "tone", "offset"])
def test_what_does_not_rise_and_fall_is_no_speech(sound, duration_s):
    time_s = np.arange(int(duration_s * RATE_HZ)) / RATE_HZ
    samples = {
        "zeros": lambda: np.zeros_like(time_s),
        "white": lambda: 0.05 * noise("white", len(time_s)) if len(time_s) > 1 else time_s,
        "pink": lambda: 0.05 * noise("pink", len(time_s)) if len(time_s) > 1 else time_s,
        "hum": lambda: 0.2 * np.sin(2 * np.pi * 50 * time_s),
        "tone": lambda: 0.3 * np.sin(2 * np.pi * 440 * time_s),
        "offset": lambda: np.full_like(time_s, 0.7),
    }[sound]()
    assert speech_spans(samples.astype(np.float32), RATE_HZ) == []
