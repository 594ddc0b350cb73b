"""What the talker reads: one form of each text, and no control token of a caller's."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import Qwen2TokenizerFast

from qwen_engine.tts.text_normalisation import normalised

PLAIN = "Good morning, everyone."
SAME = [
    "Good\u00a0morning, everyone.",
    "Good \u3000\t morning,\r\n\n everyone.",
    "Good morn\u00ading, every\u200bone.",
    "\ufeffGood morning, everyone.",
    "Good \u202emorning\u202c, everyone\u2060.",
    "Good morning, every\0one\x07.",
    "Good\u2028morning, everyone.",
]


@pytest.mark.parametrize("text", SAME, ids=ascii)
def test_what_nobody_pronounces_is_left_out(text: str) -> None:
    assert normalised(text) == PLAIN


@pytest.mark.parametrize("text", [PLAIN, "我们 今天 开会。", "क्\u200dषि", "می\u200cخواهم", "👩\u200d👧", "e\u0301"])
def test_what_is_read_stays(text: str) -> None:
    assert normalised(text) == text


@given(st.text())
def test_a_text_that_is_normalised_stays_as_it_is(text: str) -> None:
    assert normalised(normalised(text)) == normalised(text)


@pytest.fixture(scope="module")
def tokenizer() -> Qwen2TokenizerFast:
    home = Path(__file__).resolve().parents[2]
    return Qwen2TokenizerFast.from_pretrained(home / "demo" / "checkpoints" / "tts")


def test_no_text_spells_a_control_token(tokenizer: Qwen2TokenizerFast) -> None:
    added = tokenizer.get_added_vocab()
    assert added
    for token in added:
        for text in (
            token,
            f"a{token}b",
            token + token,
            f"{token[:2]}\u200b{token[2:]}",
            f"{token[:3]}\u00ad{token[3:]}",
        ):
            ids = tokenizer(normalised(text, added))["input_ids"]
            assert not set(ids) & set(added.values()), text
