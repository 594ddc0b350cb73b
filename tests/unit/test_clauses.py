"""A reply is cut into pieces to speak: nothing is lost, and nothing is cut that belongs together."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen_engine.text.clauses import MAX_PIECE_WEIGHT, Clauses
from qwen_engine.text.sentences import speaking_weight

WORDS = ["the plan", "Anna", "3.5", "1,000", "10:30", "Dr. Smith", "z. B.", "etc.", "is", "好的", "明天", "今日は", "5",
         "(now)", "“yes”", "会議", "a" * 60, "привет", "🙂"]  # fmt: skip
MARKS = [". ", "! ", "? ", ", ", "; ", ": ", '." ', "。", "。」", "，", "！", "、", "…",
         "\n", "\n\n", ".\n", " – ", " "]  # fmt: skip
replies = st.lists(st.sampled_from(WORDS + MARKS), max_size=60).map("".join) | st.text(max_size=300)


def pieces_of(*bits: str) -> list[str]:
    clauses = Clauses()
    return [piece for bit in bits for piece in clauses.add(bit)] + clauses.finish()


@given(replies)
def test_pieces_put_together_are_the_text(text):
    assert "".join(pieces_of(text)) == text


@given(replies, st.data())
def test_how_the_text_comes_changes_no_piece(text, data):
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=20)))
    bits = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    assert pieces_of(*bits) == pieces_of(text)


@given(replies)
def test_no_piece_is_too_long(text):
    assert all(speaking_weight(piece) <= MAX_PIECE_WEIGHT for piece in pieces_of(text))


@given(replies)
def test_numbers_stay_whole(text):
    bounds = {0}
    for piece in pieces_of(text):
        bounds.add(max(bounds) + len(piece))
    for number in re.finditer(r"\d+(?:[.,:]\d+)*", text):
        if len(number.group()) < 20:
            assert bounds.isdisjoint(range(number.start() + 1, number.end()))


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("Good morning, everyone. We start now.", ["Good morning,", " everyone.", " We start now."]),
        ("Yes, the plan is ready, Anna. So is Ben.", ["Yes, the plan is ready,", " Anna. So is Ben."]),
        ("It is 3.5 by 10,000 in all. Fine, thanks.", ["It is 3.5 by 10,000 in all.", " Fine, thanks."]),
        ("Ask Dr. Smith or J. Doe at 1, 2, 3. He knows it.", ["Ask Dr. Smith or J. Doe at 1, 2, 3. He knows it."]),
        ("Am 3. Mai um 10:30 Uhr. Danke, Anna.", ["Am 3. Mai um 10:30 Uhr.", " Danke, Anna."]),
        ("他说：“今天很好。”然后走了。", ["他说：", "“今天很好。”", "然后走了。"]),
        ("价格是3,500元。好的，我们明天见！再见", ["价格是3,500元。", "好的，我们明天见！", "再见"]),
        ("Well… it works! 🙂", ["Well… it works!", " 🙂"]),
        ("1. The plan\n2. The budget", ["1. The plan\n", "2. The budget"]),
        ("", []),
    ],
)
def test_pieces_are_what_a_speaker_would_say_in_one_go(text, pieces):
    assert pieces_of(*text) == pieces


def test_the_first_clause_comes_before_its_sentence_has_ended():
    clauses = Clauses()
    assert clauses.add("Good morning,") == []
    assert clauses.add(" ever") == ["Good morning,"]
    assert clauses.add("yone, how are you") == []
    assert clauses.add("? T") == [" everyone, how are you?"]
