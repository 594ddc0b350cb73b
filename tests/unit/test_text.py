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
