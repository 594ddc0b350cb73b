"""Numbers are written in figures where there are rules; whatever happens, no text is lost."""

import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qwen_engine.asr import itn
from qwen_engine.asr.itn import timed_figures, write_figures
from qwen_wire.transcripts import Word

WORDS = [
    "good",
    "morning",
    "the",
    "report",
    '"',
    "\\",
    "p.m.",
    ".",
    ", ",
    "(",
    "<b>",
    "{x}",
    "\x00",
    "你好",
    "会议",
    "です",
    "🙂",
]


@pytest.mark.parametrize(
    ("language", "spoken", "written"),
    [
        ("English", "It costs twenty five dollars.", "It costs $25."),
        ("English", "The meeting starts at nine o'clock tomorrow.", "The meeting starts at 09:00 tomorrow."),
        ("English", 'She said "twenty five", at five p.m. on Friday.', 'She said "25", at 05:00 p.m. on Friday.'),
        ("English", "Send it by Friday, November twenty fourth.", "Send it by Friday, November 24th."),
        ("English", "Please draw two small red circles.", "Please draw two small red circles."),
        ("Chinese", "一共三百二十一元五角，百分之二十。", "一共¥321.5，20%。"),
        ("Chinese", "我有一个苹果，一会儿吃。", "我有一个苹果，一会儿吃。"),
        ("Cantonese", "百分之二十", "20%"),
        ("Japanese", "二千二十六年十一月二十四日に三百二十一円です。", "2026年11月24日に321円です。"),
        ("German", "einundzwanzig", "einundzwanzig"),
        (None, "twenty five", "twenty five"),
        ("English", "", ""),
        ("English", "  ", "  "),
    ],
)
def test_what_is_written_in_figures(language, spoken, written):
    assert write_figures(spoken, language) == written


@given(st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join), st.sampled_from(["English", "Chinese", "Japanese"]))
@settings(max_examples=60)
def test_text_without_numbers_stays_as_it_is(text, language):
    assert write_figures(text, language) == text


@given(st.text(max_size=60), st.sampled_from(["English", "Chinese", "Japanese"]))
@settings(max_examples=60)
def test_any_text_gives_text(text, language):
    assert bool(write_figures(text, language).strip()) == bool(text.strip())


def test_where_the_rules_fail_the_text_stays_and_the_log_says_so(monkeypatch, caplog):
    def broken(_rules: str) -> None:
        raise RuntimeError("no rules today")

    monkeypatch.setattr(itn, "_normaliser", broken)
    assert write_figures("twenty five, thirty", "English") == "twenty five, thirty"
    assert "no rules today" in caplog.text


def test_many_threads_at_once():
    with ThreadPoolExecutor(8) as pool:
        written = list(pool.map(write_figures, ["twenty five dollars", "百分之二十"] * 20, ["English", "Chinese"] * 20))
    assert written == ["$25", "20%"] * 20


def test_the_rules_are_loaded_only_when_needed():
    script = "import sys; import qwen_engine.asr.itn; sys.exit('wetext' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def at_seconds(texts: Sequence[str]) -> list[Word]:
    return [Word(text, float(number), number + 1.0) for number, text in enumerate(texts)]


SPOKEN = "so it costs twenty five dollars in all and one hundred and six in part"
WRITTEN = "so it costs $25 in all and 106 in part"


@pytest.mark.parametrize("repeats", [1, 7, 60])
def test_figures_stand_when_their_words_were_spoken_however_long_the_text_is(repeats):
    spoken, written = SPOKEN.split() * repeats, WRITTEN.split() * repeats
    timed = timed_figures(at_seconds(spoken), written, chars=False)
    assert [word.text for word in timed] == written
    figures = [(word.start_s % 15, word.end_s % 15) for word in timed if word.text in ("$25", "106")]
    assert figures == [(3.0, 6.0), (9.0, 13.0)] * repeats
    others = [(word.text, spoken[int(word.start_s)]) for word in timed if word.text not in ("$25", "106")]
    assert all(shown == said for shown, said in others)


@given(st.lists(st.sampled_from("ab1"), max_size=700), st.lists(st.sampled_from("ab5"), max_size=700))
@settings(max_examples=40)
def test_nothing_that_was_written_is_lost_and_times_go_on(spoken, written):
    timed = timed_figures(at_seconds(spoken or ["a"]), written, chars=True)
    assert "".join(word.text for word in timed) == "".join(written)
    assert [word.start_s for word in timed] == sorted(word.start_s for word in timed)
