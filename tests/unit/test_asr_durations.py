"""Every word has a duration, without overlaps, and with as little change as possible."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen_engine.aligner.timing import WordTime, timed_words
from qwen_engine.aligner.words import split_words
from qwen_engine.asr.cues import cues_of_words
from qwen_engine.asr.durations import LEAST_MS, USUAL_MS, Span, with_durations
from qwen_wire.subtitles import subtitles
from qwen_wire.transcripts import Alignment, Word

CLASS_MS = 80


@pytest.mark.parametrize(
    ("given_ms", "until_ms", "wanted_ms"),
    [
        # There is room after it, before it, on both sides, or just enough.
        ([(0, 80), (160, 160), (400, 480)], 480, [(0, 80), (160, 240), (400, 480)]),
        ([(0, 80), (400, 400), (400, 480)], 480, [(0, 80), (320, 400), (400, 480)]),
        ([(0, 80), (120, 120), (160, 480)], 480, [(0, 80), (80, 160), (160, 480)]),
        ([(0, 80), (160, 160), (160, 160), (400, 480)], 480, [(0, 80), (160, 240), (240, 320), (400, 480)]),
        ([(0, 0), (160, 240)], 240, [(0, 80), (160, 240)]),
        ([(0, 80), (240, 240)], 240, [(0, 80), (160, 240)]),
        ([(0, 80), (80, 80)], 1000, [(0, 80), (80, 160)]),
        # There is none: it takes from a long neighbour, and shares with short ones.
        ([(0, 400), (400, 400), (400, 800)], 800, [(0, 400), (400, 480), (480, 800)]),
        ([(0, 400), (400, 400), (400, 480)], 480, [(0, 320), (320, 400), (400, 480)]),
        ([(0, 80), (80, 80), (80, 160)], 160, [(0, 54), (54, 107), (107, 160)]),
        ([(0, 80), (80, 80), (80, 80), (80, 160)], 160, [(0, 40), (40, 80), (80, 120), (120, 160)]),
        ([(0, 80), (80, 80)], 80, [(0, 40), (40, 80)]),
        ([(0, 0)] * 4, 40, [(0, 10), (10, 20), (20, 30), (30, 40)]),
        # Sharing with one neighbour on either side is not enough, then nor is all the time.
        (
            [(0, 80), (80, 160), *[(160, 160)] * 59, (160, 162)],
            162,
            [(0, 40), *[(40 + 2 * place, 42 + 2 * place) for place in range(61)]],
        ),
        ([(0, 1), *[(1, 1)] * 3], 1, [(0, 0.25), (0.25, 0.5), (0.5, 0.75), (0.75, 1)]),
        # Nothing is to be done.
        ([(0, 80), (80, 160)], 160, [(0, 80), (80, 160)]),
        ([], 0, []),
    ],
)
def test_words_get_the_time_that_there_is(given_ms: list[Span], until_ms: float, wanted_ms: list[Span]) -> None:
    found = with_durations(given_ms, until_ms)
    assert found[: len(wanted_ms)] == wanted_ms
    assert len(found) == len(given_ms)


@st.composite
def spans(draw: st.DrawFn) -> tuple[list[Span], float]:
    """As the aligner finds them: times never fall, and none is beyond the end."""
    steps = draw(st.lists(st.sampled_from([0, 0, 0, 1, 2, 5]), min_size=2, max_size=120))
    edges = [CLASS_MS * sum(steps[: place + 1]) for place in range(len(steps) // 2 * 2)]
    until_ms = draw(st.one_of(st.just(float(edges[-1])), st.floats(1, 3 * edges[-1] + 1)))
    cut = [min(edge, until_ms) for edge in edges]
    return list(zip(cut[::2], cut[1::2], strict=True)), until_ms


@given(spans())
def test_all_have_a_duration_in_order_wherever_that_is_possible(drawn: tuple[list[Span], float]) -> None:
    given_ms, until_ms = drawn
    found = with_durations(given_ms, until_ms)
    assert len(found) == len(given_ms)
    for (_, end), (start, _) in pairwise(found):
        assert end <= start
    assert found[0][0] >= 0
    assert found[-1][1] <= until_ms
    if until_ms >= LEAST_MS * len(found) + 1:
        assert all(end - start >= LEAST_MS - 1e-6 for start, end in found)
    for place, (before, after) in enumerate(zip(given_ms, found, strict=True)):
        around = given_ms[max(0, place - 1) : place + 2]
        if all(end - start >= LEAST_MS for start, end in around) and until_ms > 100 * USUAL_MS * len(found):
            assert after == before


@given(spans(), st.booleans(), st.sampled_from(["word", "天", "a" * 70, "über", "нет"]))
def test_every_word_and_subtitle_has_time_on_the_wire(drawn: tuple[list[Span], float], chars: bool, word: str) -> None:
    given_ms, until_ms = drawn
    text = " ".join([word] * len(given_ms))
    words = split_words(text)
    found = [WordTime(int(start), int(end)) for start, end in given_ms]
    timed = timed_words(words, found, until_ms / 1000, chars=chars)
    cues = cues_of_words(timed, text, None, until_ms / 1000)
    told = Alignment(language=None, duration_s=until_ms / 1000, words=tuple(timed), cues=tuple(cues))
    assert "".join(one.text for one in timed).replace(" ", "") == text.replace(" ", "")
    if until_ms < LEAST_MS * len(timed) + 1:
        return
    written = [(round(one.start_s, 3), round(one.end_s, 3)) for one in told.words]
    assert all(start < end for start, end in written)
    assert all(end <= start for (_, end), (start, _) in pairwise(written))
    shown = [(cue.start_s, cue.end_s) for cue in told.cues]
    assert all(start < end for start, end in shown)
    assert all(end <= start for (_, end), (start, _) in pairwise(shown))
    assert subtitles(told.cues, "srt").count(" --> ") == len(cues)


@pytest.mark.parametrize("words", [
    [Word("One.", 5.0, 5.0), Word("Two.", 5.0, 7.0)],
    [Word("Zero.", 0.0, 5.0), Word("One.", 5.0, 5.0), Word("Two.", 5.0, 7.0)],
    [Word("One.", 4.0, 7.0), Word("Two.", 4.0, 7.0)],  # as inserted figures are timed
    [Word("One.", 7.0, 7.0), Word("Two.", 7.0, 7.0)],
])  # fmt: skip
def test_a_subtitle_of_words_without_time_can_be_read(words: list[Word]) -> None:
    """Each sentence begins a cue where the one before has a second of its own."""
    cues = cues_of_words(words, " ".join(word.text for word in words), None, 7.0)
    assert all(cue.end_s - cue.start_s >= USUAL_MS / 1000 - 1e-9 for cue in cues)
    assert all(one.end_s <= other.start_s for one, other in pairwise(cues))
    assert cues[-1].end_s <= 7.0


def test_many_words_without_time_take_linear_time() -> None:
    found = with_durations([(0.0, 0.0)] * 100_000, 10.0)
    assert len(found) == 100_000
    found = with_durations([(80.0 * (place // 2), 80.0 * (place // 2 + place % 2)) for place in range(100_000)], 4e6)
    assert all(end - start >= LEAST_MS for start, end in found)
