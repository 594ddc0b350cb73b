"""Splitting loses no sample: pieces and silences together are the recording, whatever it holds."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qwen_engine.asr.pieces import MIN_PIECE_S, silences, split
from qwen_engine.asr.silence import Span
from tests.demo_speech import spoken

RATE_HZ = 16000
STRETCHES = st.lists(
    st.tuples(
        st.sampled_from(["silence", "hiss", "speech"]),
        st.floats(0.0, 12.0),
        st.sampled_from([1.0, 0.03]),
    ),
    max_size=8,
)


def sound(stretches: list[tuple[str, float, float]]) -> np.ndarray:
    """Stretches of silence, of noise, and of speech."""
    rng = np.random.default_rng(len(stretches))
    parts = [np.zeros(0)]
    for kind, duration_s, gain in stretches:
        length = int(duration_s * RATE_HZ)
        made = {
            "silence": np.zeros,
            "hiss": lambda n: 0.1 * rng.normal(size=n),
            "speech": lambda n: spoken(n / RATE_HZ),
        }
        parts.append(gain * made[kind](length))
    return np.concatenate(parts).astype(np.float32)


@given(STRETCHES, st.floats(2.0, 30.0), st.booleans())
@settings(max_examples=150)
def test_pieces_and_silences_are_the_recording(stretches, max_piece_s, vad):
    samples = sound(stretches)
    pieces = split(samples, max_piece_s, vad=vad)
    dropped = silences(pieces, len(samples))
    together = sorted([*pieces, *dropped])
    assert all(before.end <= after.start for before, after in pairwise(pieces))
    assert all(0 < len(piece) <= max_piece_s * RATE_HZ for piece in pieces)
    rejoined = np.concatenate([np.zeros(0, np.float32), *(samples[span.start : span.end] for span in together)])
    np.testing.assert_array_equal(rejoined, samples)
    if not vad:
        assert dropped == []


@given(st.floats(0.1, 100.0), st.floats(2.0, 30.0), st.integers(0, 10))
@settings(max_examples=80)
def test_cutting_by_length_leaves_no_short_piece(duration_s, max_piece_s, seed):
    samples = np.random.default_rng(seed).normal(size=int(duration_s * RATE_HZ)).astype(np.float32)
    pieces = split(samples, max_piece_s, vad=False)
    if len(pieces) > 1:
        assert min(map(len, pieces)) >= int(MIN_PIECE_S * RATE_HZ)
        assert len(pieces) <= 2 * duration_s / max_piece_s + 1


def speech(duration_s: float) -> tuple[str, float, float]:
    return "speech", duration_s, 1.0


def pause(duration_s: float) -> tuple[str, float, float]:
    return "silence", duration_s, 1.0


def durations_s(pieces: list[Span]) -> list[float]:
    return [len(piece) / RATE_HZ for piece in pieces]


def test_short_pauses_stay_within_a_piece_and_long_ones_end_it():
    pieces = split(sound([speech(4), pause(0.9), speech(4), pause(3), speech(5), pause(10)]))
    assert durations_s(pieces) == pytest.approx([9.1, 5.4], abs=0.5)


def test_a_short_word_goes_with_its_neighbour():
    pieces = split(sound([speech(4), pause(2), speech(0.5), pause(6), speech(0.5), pause(1)]))
    assert durations_s(pieces) == pytest.approx([6.5, 0.7], abs=0.5)


def test_a_full_piece_ends_at_a_pause():
    pieces = split(sound([speech(12), pause(0.9), speech(12), pause(0.9), speech(12)]))
    assert durations_s(pieces) == pytest.approx([25, 12], abs=0.6)


def test_speech_without_pause_is_cut_where_it_is_softest():
    samples = sound([speech(90)]) + sound([("hiss", 90.0, 0.003)])
    soft = int(22.6 * RATE_HZ)
    samples[soft - 1600 : soft + 1600] *= 0.001
    pieces = split(samples)
    assert max(durations_s(pieces)) <= 30
    assert pieces[0].end == pytest.approx(soft, abs=1600)
    assert silences(pieces, len(samples)) == []


@pytest.mark.parametrize("stretches", [[], [pause(60)], [("hiss", 60.0, 1.0)]])
def test_no_speech_no_pieces(stretches):
    samples = sound(stretches)
    assert split(samples) == []
    assert silences([], len(samples)) == ([Span(0, len(samples))] if len(samples) else [])
