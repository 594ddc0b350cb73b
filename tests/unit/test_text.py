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


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.mark.parametrize(
    ("written", "after_s"),
    [
        ("你好。", 0.0), ("你好吗？」", 0.0), ("Are you ready? ", 0.0), ("Stop!\n", 0.0), ("A title\n", 0.0),
        ("Hello there.", 0.1), ("Hello there. ", 0.1), ("Are you ready?", 0.1), ("“Hello there.”", 0.1),
        ("안녕하세요.", 0.1),
        ("It costs 3.", 1.0), ("Ask Mr.", 1.0), ("Some fruit, e.g.", 1.0), ("At 5 p.m. ", 1.0), ("Wait...", 1.0),
    ],
)  # fmt: skip
def test_a_complete_sentence_is_spoken_without_waiting_for_more(written: str, after_s: float) -> None:
    clock = Clock()
    text = Text(written[:2], max_weight=300, complete=False, clock=clock)
    clock.now_s = 10.0  # nothing so far is a sentence
    assert spoken(text) == []
    text.add(written[2:], complete=False)
    if after_s:
        clock.now_s += after_s * 0.9
        assert spoken(text) == [] or "," in written
    clock.now_s += after_s * 0.1 + 1e-6
    assert letters("".join([*spoken(text)])) in letters(written)
    text.add(" The end", complete=True)
    assert spoken(text) == ["The end"]


@pytest.mark.parametrize("written", ["Hello there", "Hello there,", "Good morning, every", "3", "Mr", "..."])
def test_what_may_go_on_waits(written: str) -> None:
    clock = Clock()
    text = Text("", max_weight=300, complete=False, clock=clock)
    text.add(written, complete=False)
    said = spoken(text)
    clock.now_s = 1000.0
    assert spoken(text) == []
    text.add(".", complete=True)
    assert letters("".join([*said, *spoken(text)])) == letters(written)


def test_what_follows_soon_enough_is_of_the_same_sentence() -> None:
    clock = Clock()
    for first, second in (("It costs 3.", "14 euros."), ("See example.", "org for it."), ("Ask Mr.", " Smith.")):
        text = Text("", max_weight=300, complete=False, clock=clock)
        text.add(first, complete=False)
        clock.now_s += 0.05
        assert spoken(text) == []
        text.add(second, complete=False)
        assert spoken(text) == []
        clock.now_s += 0.2
        assert spoken(text) == [first + second]


def test_marks_that_follow_a_spoken_sentence_are_not_spoken() -> None:
    clock = Clock()
    text = Text("What?", max_weight=300, complete=False, clock=clock)
    clock.now_s += 0.2
    assert spoken(text) == ["What?"]
    text.add("!” We go", complete=True)
    assert spoken(text) == ["We go"]


def test_a_text_that_is_closed_has_ended() -> None:
    text = Text("One. Two. Three", max_weight=300, complete=False)
    text.close()
    assert (spoken(text), text.ended) == ([], True)


def test_a_short_first_clause_is_spoken_with_the_next_one():
    assert spoken(Text("Yes, I think so, but", max_weight=300, complete=False)) == ["Yes, I think so,"]
