"""Sound is where the file's clock has it."""

import numpy as np
import pytest

from qwen_media.sound import Sound, Wanted, decode_sound
from tests.sounds import DURATION_S, RATE_HZ, av_file, chirps, packets, resampled, shift_s

SAID = chirps()
KINDS = {
    "webm": ("webm", "libopus", 48000),
    "matroska": ("matroska", "aac", 44100),
    "mp4": ("mp4", "aac", 44100),
    "mov": ("mov", "pcm_s16le", 44100),
}


def heard(data: bytes) -> Sound:
    return decode_sound(data, Wanted(RATE_HZ, 60.0))


@pytest.mark.parametrize("with_pictures", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_sound_that_begins_late(kind: str, with_pictures: bool) -> None:
    container, codec, rate_hz = KINDS[kind]
    sound = heard(
        av_file(container, codec, resampled(SAID, rate_hz), rate_hz, start_s=1.5, with_pictures=with_pictures)
    )
    assert sound.damage_s == 0
    assert len(sound.samples) / RATE_HZ == pytest.approx(DURATION_S + 1.5, abs=0.15)
    assert not sound.samples[: round(1.4 * RATE_HZ)].any()
    for at_s in (0.2, 5.0, 9.3):
        assert shift_s(sound.samples[round(1.5 * RATE_HZ) :], SAID, at_s) == pytest.approx(0, abs=0.07)


@pytest.mark.parametrize("with_pictures", [True, False])
@pytest.mark.parametrize("kind", ["webm", "matroska", "mp4"])
def test_a_pause_of_the_clock_is_silence_and_no_damage(kind: str, with_pictures: bool) -> None:
    container, codec, rate_hz = KINDS[kind]
    data = av_file(container, codec, resampled(SAID, rate_hz), rate_hz, pause_s=(4.0, 2.0), with_pictures=with_pictures)
    sound = heard(data)
    assert sound.damage_s == 0
    assert len(sound.samples) / RATE_HZ == pytest.approx(DURATION_S + 2, abs=0.15)
    assert shift_s(sound.samples, SAID, 3.3) == pytest.approx(0, abs=0.07)
    for at_s in (4.2, 9.3):
        assert shift_s(sound.samples[2 * RATE_HZ :], SAID, at_s) == pytest.approx(0, abs=0.07)


def test_pictures_and_sound_that_begin_late_together_begin_at_once() -> None:
    """A recording cut out of a longer one, whose clock goes on."""
    sound = heard(av_file("webm", "libopus", resampled(SAID, 48000), 48000, start_s=400.0, with_pictures=False))
    assert len(sound.samples) / RATE_HZ == pytest.approx(DURATION_S, abs=0.15)


def test_many_lost_packets_do_not_add_up() -> None:
    """Each of them is shorter than what a clock may be wrong by."""
    whole = av_file("webm", "libopus", resampled(SAID, 48000), 48000)
    data = bytearray(whole)
    for position, size in packets(whole)[10:400:8]:
        data[position : position + size] = bytes(size)
    sound = heard(bytes(data))
    assert sound.damage_s == pytest.approx(0.02 * len(range(10, 400, 8)), abs=0.02)
    assert len(sound.samples) / RATE_HZ == pytest.approx(DURATION_S, abs=0.07)


@pytest.mark.parametrize("jitter_s", [0.004, 0.012, 0.019])
def test_a_clock_that_is_not_quite_even_puts_no_silence_between_samples(jitter_s: float) -> None:
    rng = np.random.default_rng(3)
    sound = heard(av_file("webm", "libopus", resampled(SAID, 48000), 48000, jitter=lambda: rng.uniform(0, jitter_s)))
    assert sound.damage_s == 0
    assert len(sound.samples) / RATE_HZ == pytest.approx(DURATION_S, abs=0.07)
    for at_s in (0.2, 5.0, 9.3):
        assert shift_s(sound.samples, SAID, at_s) == pytest.approx(0, abs=0.07)
