"""Where segments of a live stream begin and end, on speech with pauses of noise."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from demo.training import sounds
from qwen_engine.asr.captions.endpoints import PADDING, EndpointLimits, Endpoints
from qwen_engine.asr.silence import Span, speech_spans
from qwen_engine.asr.vad.bands import SAMPLE_RATE_HZ
from tests.demo_speech import spoken

LIMITS = EndpointLimits(silence_s=0.7, max_segment_s=6.0)
MAX_SEGMENT = int(LIMITS.max_segment_s * SAMPLE_RATE_HZ)
NEAR = int(0.1 * SAMPLE_RATE_HZ)


def noise(seconds: float, loudness: float = 0.001) -> np.ndarray:
    return np.random.default_rng(3).normal(0, loudness, int(seconds * SAMPLE_RATE_HZ)).astype(np.float32)


def speech(seconds: float) -> np.ndarray:
    """Over noise."""
    return noise(seconds) + spoken(seconds)


def spans(sound: np.ndarray, chunk: int = 8000, limits: EndpointLimits = LIMITS) -> list[Span]:
    endpoints = Endpoints(limits)
    found = [span for at in range(0, len(sound), chunk) for span in endpoints.feed(sound[at : at + chunk])]
    last = endpoints.finish()
    return found if last is None else [*found, last]


def test_speech_is_found_with_room_around_it():
    sound = np.concatenate([noise(1), speech(2), noise(1.5), speech(1), noise(2)])
    first, second = spans(sound)
    for span, start_s, end_s in ((first, 1, 3), (second, 4.5, 5.5)):
        assert span.start == pytest.approx(start_s * SAMPLE_RATE_HZ - PADDING, abs=NEAR)
        assert span.end == pytest.approx(end_s * SAMPLE_RATE_HZ + PADDING, abs=NEAR)


def test_a_stream_may_begin_and_end_with_speech():
    sound = speech(3)
    assert spans(sound) == [Span(0, len(sound))]


def test_a_short_pause_ends_nothing():
    assert len(spans(np.concatenate([speech(1), noise(0.4), speech(1), noise(1)]))) == 1


def test_speech_without_pause_is_cut_and_nothing_of_it_lost():
    sound = np.concatenate([speech(20), noise(1)])
    found = spans(sound)
    assert len(found) >= 4
    assert all(len(span) <= MAX_SEGMENT for span in found)
    assert all(before.end == after.start for before, after in itertools.pairwise(found))
    assert found[0].start == 0
    assert found[-1].end == pytest.approx(20 * SAMPLE_RATE_HZ + PADDING, abs=NEAR)


def test_a_cut_goes_through_the_softest_place():
    sound = np.concatenate([speech(4), noise(0.3), speech(6), noise(1)])
    first = spans(sound)[0]
    assert 4 * SAMPLE_RATE_HZ < first.end < 4.3 * SAMPLE_RATE_HZ


def test_in_a_long_segment_a_breath_will_do():
    sound = np.concatenate([speech(13), noise(0.5), speech(2), noise(1)])
    limits = EndpointLimits(silence_s=0.7, max_segment_s=30.0)
    assert len(spans(sound, limits=limits)) == 2
    assert len(spans(sound[5 * SAMPLE_RATE_HZ :], limits=limits)) == 1


@pytest.mark.parametrize("make", [sounds.hum, sounds.buzz, lambda length: sounds.tone(length, 1000)])
@pytest.mark.parametrize("above_db", [3, 10])
def test_speech_under_hum_has_the_segments_it_has_without(make, above_db):
    clean = np.concatenate([noise(2), speech(3), noise(2), speech(2), noise(1.5), speech(4), noise(2)])
    level = np.sqrt(np.mean(speech(4) ** 2)) * 10 ** (above_db / 20)
    found, expected = spans(clean + (level * make(len(clean))).astype(np.float32)), spans(clean)
    assert len(found) == len(expected) == 3
    for span, same in zip(found, expected, strict=True):
        assert (span.start, span.end) == pytest.approx((same.start, same.end), abs=2 * NEAR)


SILENT = {
    "nothing": np.zeros,
    "a quiet room": lambda length: 1e-4 * sounds.noise(length),
    "hiss": lambda length: 0.05 * sounds.noise(length),
    "a fan": lambda length: 0.05 * sounds.fan(length),
    "hum": lambda length: 0.2 * sounds.hum(length),
    "buzz": lambda length: 0.2 * sounds.buzz(length, 50),
    "a tone": lambda length: 0.2 * sounds.tone(length, 700),
    "a tone on and off": lambda length: 0.1 * sounds.tone(length, 1000, 0.3, 0.7),
    "dialling": lambda length: 0.1 * sounds.dialling(length),
    "clicks": lambda length: 0.1 * sounds.clicks(length),
}


@pytest.mark.parametrize("sound", SILENT)
def test_what_is_no_speech_has_no_segments(sound):
    assert spans(SILENT[sound](20 * SAMPLE_RATE_HZ).astype(np.float32)) == []


@pytest.mark.parametrize(
    "make", [lambda n: sounds.chords(n, 0.0), sounds.chords, lambda n: sounds.buzz(n) * (np.arange(n) > n // 2)]
)
def test_of_what_begins_loud_nothing_is_left_at_the_second_look(make):
    """A chord may begin a segment; of what the whole segment holds, `speech_spans` finds nothing to write down."""
    sound = (0.05 * make(30 * SAMPLE_RATE_HZ)).astype(np.float32)
    assert [speech_spans(sound[span.start : span.end]) for span in spans(sound) if len(span)] == [[]] * len(
        spans(sound)
    )


@given(st.lists(st.integers(100, 32_000), min_size=1, max_size=40))
@settings(max_examples=30)
def test_where_a_stream_is_cut_changes_no_segment(sizes):
    sound = np.concatenate([noise(0.7), speech(3), noise(1), speech(8), noise(0.5)])
    endpoints, found, at = Endpoints(LIMITS), [], 0
    for size in itertools.cycle(sizes):
        if at >= len(sound):
            break
        found += endpoints.feed(sound[at : at + size])
        at += size
        assert endpoints.needed_from >= (found[-1].end if found else 0)
        if endpoints.start is not None:
            assert endpoints.start == endpoints.needed_from
    last = endpoints.finish()
    assert [*found, *([last] if last else [])] == spans(sound)
