"""Speech is found at any gain and in noise; what does not rise and fall like speech is none."""

import functools
from collections.abc import Callable

import numpy as np
import pytest
import soxr

from demo.training import sounds
from qwen_engine.asr.silence import Span, softest, speech_spans
from tests.demo_speech import sentences

RATE_HZ = 16000
PAUSES_S = (0.9, 1.2, 2.0, 3.0, 0.8, 1.5)


@functools.cache
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


def level(samples: np.ndarray, spoken: list[Span]) -> float:
    return float(np.sqrt(np.mean(np.concatenate([samples[span.start : span.end] for span in spoken]) ** 2)))


def with_sound(make: Callable[[int], np.ndarray], snr_db: float) -> np.ndarray:
    samples, spoken = recording()
    return samples + make(len(samples)) * level(samples, spoken) * 10 ** (-snr_db / 20)


def telephone(samples: np.ndarray) -> np.ndarray:
    return soxr.resample(soxr.resample(samples, RATE_HZ, 8000), 8000, RATE_HZ)[: len(samples)]


def pink(length: int) -> np.ndarray:
    return sounds.noise(length, 0.5)


def wavering_hum(length: int) -> np.ndarray:
    return sounds.hum(length, 59.93, (1.0, 0.3, 0.5)) * (1 + 0.05 * np.sin(2 * sounds.times_s(length)))


CONDITIONS = {
    "clean": lambda: recording()[0],
    "gain -30 dB": lambda: recording()[0] * 10**-1.5,
    "gain -30 dB, 16 bits": lambda: np.round(recording()[0] * 10**-1.5 * 32768) / 32768,
    "white noise at 10 dB": lambda: with_sound(sounds.noise, 10),
    "white noise at 10 dB, gain -30 dB": lambda: with_sound(sounds.noise, 10) * 10**-1.5,
    "pink noise at 10 dB": lambda: with_sound(pink, 10),
    "fan at 5 dB": lambda: with_sound(sounds.fan, 5),
    "constant offset": lambda: recording()[0] + 0.3,
    "clipped": lambda: np.clip(recording()[0] * 20, -1, 1),
    "quiet and loud speakers": lambda: quieter_every_other(recording()[0], -20),
    "telephone": lambda: telephone(recording()[0]),
    "hum of 60 Hz, 3 dB above": lambda: with_sound(sounds.hum, -3),
    "hum of 60 Hz, 10 dB above": lambda: with_sound(sounds.hum, -10),
    "hum of 60 Hz, 30 dB above": lambda: with_sound(sounds.hum, -30),
    "hum of 50 Hz, 3 dB above": lambda: with_sound(lambda length: sounds.hum(length, 50), -3),
    "buzz of 60 Hz, 3 dB above": lambda: with_sound(sounds.buzz, -3),
    "buzz of 50 Hz, 10 dB above": lambda: with_sound(lambda length: sounds.buzz(length, 50), -10),
    "hum that wavers, 10 dB above": lambda: with_sound(wavering_hum, -10),
    "tone among the voices, 3 dB above": lambda: with_sound(lambda length: sounds.tone(length, 1000), -3),
    "hum 10 dB above, over the telephone": lambda: telephone(with_sound(sounds.hum, -10)),
    "hum 10 dB above, gain -20 dB": lambda: with_sound(sounds.hum, -10) * 0.1,
}


def quieter_every_other(samples: np.ndarray, gain_db: float) -> np.ndarray:
    samples = samples.copy()
    for span in recording()[1][::2]:
        samples[span.start : span.end] *= 10 ** (gain_db / 20)
    return samples


@pytest.mark.parametrize("condition", CONDITIONS)
def test_every_sentence_is_found_whole_and_pauses_are_left_out(condition):
    samples, spoken = CONDITIONS[condition](), recording()[1]
    found = speech_spans(samples.astype(np.float32))
    assert [any(span.start <= clip.start and clip.end <= span.end for span in found) for clip in spoken] == [True] * 6
    kept = sum(map(len, found)) - sum(map(len, spoken))
    silent = len(samples) - sum(map(len, spoken))
    assert kept < 0.35 * silent


@pytest.mark.parametrize("gain", [10.0, 0.3, 0.03])
def test_the_gain_does_not_matter(gain):
    samples = with_sound(sounds.noise, 20)
    found, expected = speech_spans((samples * gain).astype(np.float32)), speech_spans(samples)
    assert len(found) == len(expected)
    for span, same in zip(found, expected, strict=True):
        assert (span.start, span.end) == pytest.approx((same.start, same.end), abs=0.06 * RATE_HZ)


def test_silence_around_speech_is_left_out():
    clip = sentences()[0]
    silence = np.zeros(10 * RATE_HZ, np.float32)
    (span,) = speech_spans(np.concatenate([silence, clip, silence]))
    assert 0 <= len(silence) - span.start <= 0.25 * RATE_HZ
    assert 0 <= span.end - len(silence) - len(clip) <= 0.3 * RATE_HZ


def test_speech_without_any_pause_is_one_stretch():
    samples = np.concatenate(sentences() * 6)
    assert speech_spans(samples) == [Span(0, len(samples))]


@functools.cache
def sounds_without_speech(length: int) -> dict[str, np.ndarray]:
    steady = {f"tone of {hz} Hz": sounds.tone(length, hz) for hz in (50, 150, 300, 440, 1000, 2500, 3900, 6000)}
    return steady | {
        "zeros": np.zeros(length),
        "offset": np.full(length, 7.0),
        "white": sounds.noise(length),
        "pink": pink(length),
        "brown": sounds.noise(length, 1.0),
        "fan": sounds.fan(length),
        "hum": sounds.hum(length, 50),
        "buzz": sounds.buzz(length),
        "hum that wavers": wavering_hum(length),
    }


@pytest.mark.parametrize("duration_s", [0.0001, 0.3, 1.0, 20.0])
@pytest.mark.parametrize("sound", sounds_without_speech(100))
def test_what_does_not_rise_and_fall_is_no_speech(sound, duration_s):
    samples = sounds_without_speech(20 * RATE_HZ)[sound][: int(duration_s * RATE_HZ)]
    assert speech_spans((0.1 * samples).astype(np.float32)) == []


def test_nothing_is_no_speech():
    assert speech_spans(np.zeros(0, np.float32)) == []


COMING_AND_GOING = {
    "a tone on and off": lambda length: sounds.tone(length, 1000, 0.3, 0.7),
    "beeps": lambda length: sounds.tone(length, 800, 0.1, 0.4),
    "ringing": lambda length: sounds.tone(length, 440, 2, 4) + sounds.tone(length, 480, 2, 4),
    "engaged": lambda length: sounds.tone(length, 480, 0.5, 0.5) + sounds.tone(length, 620, 0.5, 0.5),
    "dialling": sounds.dialling,
    "slow dialling": lambda length: sounds.dialling(length, 0.3, 0.3),
    "clicks": sounds.clicks,
    "clicks, close together": lambda length: sounds.clicks(length, 0.12),
    "an organ": lambda length: sounds.chords(length, 0.0),
    "a piano": lambda length: sounds.chords(length) + 0.7 * sounds.melody(length),
    "a buzz that begins": lambda length: sounds.buzz(length) * (sounds.times_s(length) > 5),
    "hiss that begins": lambda length: sounds.noise(length) * (sounds.times_s(length) > 5),
}


@pytest.mark.parametrize("sound", COMING_AND_GOING)
def test_tones_clicks_and_notes_that_come_and_go_are_no_speech(sound):
    for gain in (0.01, 0.1):
        samples = COMING_AND_GOING[sound](30 * RATE_HZ)
        assert speech_spans((gain * samples).astype(np.float32)) == []


def test_speech_beside_music_is_found():
    spoken = recording()[1]
    for snr_db in (0, 10):
        found = speech_spans(with_sound(sounds.music, snr_db).astype(np.float32))
        kept = sum(max(0, min(a.end, b.end) - max(a.start, b.start)) for a in found for b in spoken)
        assert kept > 0.99 * sum(map(len, spoken))


@pytest.mark.parametrize("condition", ["clean", "hum", "noise"])
def test_a_single_word_is_found(condition):
    message, _ = sentences()
    around = {"clean": np.zeros, "hum": lambda n: 0.3 * sounds.hum(n), "noise": lambda n: 0.003 * sounds.noise(n)}
    for start, end in ((0.0, 0.32), (0.32, 0.7)):
        word = np.pad(message[int(start * RATE_HZ) : int(end * RATE_HZ)], RATE_HZ)
        assert len(speech_spans((word + around[condition](len(word))).astype(np.float32))) == 1


def test_a_cut_goes_through_a_pause_also_under_hum():
    first, second = sentences()
    pause = np.zeros(int(0.3 * RATE_HZ), np.float32)
    samples = np.concatenate([first, pause, second])
    samples = samples + 0.5 * sounds.buzz(len(samples)) + 1e-4 * sounds.noise(len(samples))
    assert softest(samples.astype(np.float32)) == pytest.approx(len(first) + len(pause) / 2, abs=len(pause) / 2)
