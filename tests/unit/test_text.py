"""Text that is still arriving: the first clause at once, then whole sentences, and nothing lost or doubled."""

import random

import pytest

from qwen_engine.tts.text import Text

STORY = (
    "Good morning, everyone. We start now! Are you ready? The meeting begins at 9.30 with the plan, then the budget. "
    "“Fine,” he said. 今天天气很好。我们去公园吧！ Thank you."
)


def spoken(text: Text) -> list[str]:
    found = []
    while (piece := text.next()) is not None:
        found.append(piece)
    return found


def letters(text: str) -> str:
    return "".join(char for char in text if char.isalnum())


def test_a_complete_text_is_cut_as_a_whole():
    text = Text("One. Two.", max_weight=300, complete=True)
    assert spoken(text) == ["One. Two."]
    assert text.ended


def test_the_first_clause_is_spoken_before_its_sentence_ends():
    text = Text("Good morning, every", max_weight=300, complete=False)
    assert spoken(text) == ["Good morning,"]
    text.add("one. We start", complete=False)
    assert spoken(text) == ["everyone."]
    text.add(" now, at once", complete=False)
    assert spoken(text) == []
    assert not text.ended
    text.add("", complete=True)
    assert spoken(text) == ["We start now, at once"]
    assert text.ended


def test_a_short_first_clause_waits():
    assert spoken(Text("Yes, we", max_weight=300, complete=False)) == []


@pytest.mark.parametrize("seed", range(20))
def test_any_cutting_gives_the_whole_text(seed):
    rng = random.Random(seed)
    text = Text("", max_weight=rng.choice([40, 300]), complete=False)
    found, start = [], 0
    while start < len(STORY):
        size = rng.randint(1, 12)
        text.add(STORY[start : start + size], complete=False)
        start += size
        found += spoken(text)
    text.add("", complete=True)
    found += spoken(text)
    assert letters("".join(found)) == letters(STORY)
    assert len(found) > 3
    assert text.ended


def test_an_end_without_words_ends():
    text = Text("", max_weight=300, complete=False)
    text.add(" ... ", complete=True)
    assert spoken(text) == []
    assert text.ended


WHOLE = ("10,000", "10:30", "3.5", "1,234,567", "https://example.org/a", "C:\\data", "2026-12-01", "12:30:45")


@pytest.mark.parametrize("number", WHOLE)
@pytest.mark.parametrize("begins", ["", "The price is about ", "In the end it is, they say, "])
def test_numbers_times_and_addresses_stay_whole_however_they_come(begins, number):
    sentence = f"{begins}{number} for all of us. Then we go."
    for size in (1, 2, 5):
        text = Text("", max_weight=300, complete=False)
        found = []
        for start in range(0, len(sentence), size):
            text.add(sentence[start : start + size], complete=False)
            found += spoken(text)
        text.add("", complete=True)
        assert any(number in piece for piece in [*found, *spoken(text)])


@pytest.mark.parametrize("number", WHOLE)
def test_a_sentence_that_is_too_long_is_not_cut_within_them(number):
    text = Text(" ".join(["word"] * 9 + [number] + ["word"] * 9), max_weight=50, complete=True)
    assert any(number in piece for piece in spoken(text))


def test_a_short_first_clause_is_spoken_with_the_next_one():
    assert spoken(Text("Yes, I think so, but", max_weight=300, complete=False)) == ["Yes, I think so,"]
