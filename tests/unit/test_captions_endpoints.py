"""Where segments of a live stream begin and end, on made-up sound: bursts that rise and fall as speech does."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen_engine.asr.captions.endpoints import PADDING, EndpointLimits, Endpoints
from qwen_engine.asr.request import SAMPLE_RATE_HZ
from qwen_engine.asr.silence import Span

LIMITS = EndpointLimits(silence_s=0.7, max_segment_s=6.0)
MAX_SEGMENT = int(LIMITS.max_segment_s * SAMPLE_RATE_HZ)
NEAR = int(0.1 * SAMPLE_RATE_HZ)


def noise(seconds: float, loudness: float = 0.001) -> np.ndarray:
    return np.random.default_rng(3).normal(0, loudness, int(seconds * SAMPLE_RATE_HZ)).astype(np.float32)


def speech(seconds: float, loudness: float = 0.2) -> np.ndarray:
    """Four syllables a second, over noise."""
    time_s = np.arange(int(seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    syllables = np.abs(np.sin(4 * np.pi * time_s)) * np.sin(2 * np.pi * 200 * time_s)
    return noise(seconds) + (loudness * syllables).astype(np.float32)


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


@pytest.mark.parametrize("sound", [np.zeros(160_000, np.float32), noise(20, 1e-4)], ids=["nothing", "a quiet room"])
def test_silence_has_no_segments(sound):
    assert spans(sound) == []


def test_constant_noise_is_speech_for_a_second_at_most():
    """A stream that begins loud may begin with speech; `speech_spans` finds none in it then."""
    found = spans(noise(30, 0.05))
    assert sum(map(len, found)) <= 2 * SAMPLE_RATE_HZ


@given(st.lists(st.integers(100, 32_000), min_size=1, max_size=40))
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
