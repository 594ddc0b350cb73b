"""Repetition repair gives what upstream's function gives, also for texts that upstream cannot stand."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers.models.qwen3_asr.processing_qwen3_asr import _detect_and_fix_repetitions

from qwen_engine.asr.repetition import repair_repetitions

PATTERNS = st.text(st.sampled_from("ab 好\n"), max_size=22)
REPEATED = st.builds(lambda pattern, count: pattern * count, PATTERNS, st.integers(1, 45))
TEXTS = st.lists(st.one_of(REPEATED, st.text(max_size=30)), max_size=6).map("".join)


@given(TEXTS)
@settings(max_examples=150)
def test_equal_to_upstream(text):
    assert repair_repetitions(text) == _detect_and_fix_repetitions(text)


@pytest.mark.parametrize(
    ("text", "repaired"),
    [
        ("", ""),
        ("good morning everyone", "good morning everyone"),
        ("no" * 19 + " way", "no" * 19 + " way"),
        ("no" * 30 + " way", "no way"),
        ("哈" * 21, "哈"),
        ("哈" * 20, "哈" * 20),
    ],
)
def test_what_stands_dozens_of_times_stands_once(text, repaired):
    assert repair_repetitions(text) == repaired == _detect_and_fix_repetitions(text)


def test_thousands_of_repairs_do_not_recurse():
    text = "".join(f"{chr(0x4E00 + number)}{'ab' * 25}" for number in range(2000))
    assert repair_repetitions(text) == "".join(f"{chr(0x4E00 + number)}ab" for number in range(2000))
