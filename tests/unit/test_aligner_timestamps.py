"""Marks are put in order exactly as upstream does it, in less time."""

import math
import random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from transformers.models.qwen3_asr.processing_qwen3_asr import _fix_timestamps

from qwen_engine.aligner.timestamps import longest_monotonic, monotonic

CLASS_MS = 80
NUM_MARKS = 20_000  # of 10,000 words
COMPARISONS = 5  # bisections a mark

MARKS = st.one_of(
    st.lists(st.integers(0, 8), min_size=1, max_size=60),
    st.lists(st.integers(0, 5000), min_size=1, max_size=60),
    st.lists(st.integers(0, 500), min_size=1, max_size=60).map(sorted).flatmap(lambda marks: outliers(marks)),
)


@st.composite
def outliers(draw, marks: list[int]) -> list[int]:
    for _ in range(draw(st.integers(0, 6))):
        marks[draw(st.integers(0, len(marks) - 1))] = draw(st.integers(0, 500))
    return marks


class Counted(int):
    """A time that counts how often it is compared."""

    num_comparisons = 0

    def __lt__(self, other: int) -> bool:
        Counted.num_comparisons += 1
        return int(self) < int(other)

    def __neg__(self) -> "Counted":
        return Counted(-int(self))


@given(MARKS)
def test_the_result_is_upstreams(classes):
    times_ms = [CLASS_MS * one for one in classes]
    assert monotonic(times_ms) == _fix_timestamps(np.array(times_ms, np.float32))


@given(MARKS)
def test_no_time_goes_back_and_good_ones_stay(times_ms):
    repaired = monotonic(times_ms)
    assert len(repaired) == len(times_ms)
    assert repaired == sorted(repaired)
    good = longest_monotonic(times_ms)
    assert [repaired[index] for index in good] == [times_ms[index] for index in good]
    assert monotonic(repaired) == repaired


def test_nothing_is_in_order():
    assert monotonic([]) == []


def test_ten_thousand_words_take_n_log_n_comparisons():
    rng = random.Random(0)
    Counted.num_comparisons = 0
    monotonic([Counted(rng.randrange(100_000)) for _ in range(NUM_MARKS)])
    assert Counted.num_comparisons < COMPARISONS * NUM_MARKS * math.log2(NUM_MARKS)
