"""Subtitles of any words are valid for independent parsers, readable, and lose nothing."""

import html
import unicodedata
import warnings
from itertools import pairwise

import pytest
import srt
import webvtt
from hypothesis import example, given, settings
from hypothesis import strategies as st

from qwen_engine.asr.cues import cues_of_segments, cues_of_words
from qwen_engine.asr.line_width import MAX_COLUMNS, cut_to_width, width
from qwen_engine.asr.text_join import is_closing
from qwen_wire.subtitles import subtitles
from qwen_wire.transcripts import Cue, Segment, Word

LONGEST_S = 12000.0
TIMES = st.floats(-10.0, LONGEST_S)
NASTY = [
    *(
        "-->",
        "<i>",
        "{\\an8}",
        "{\\p1}",
        "\\N",
        "\\",
        "&amp;",
        "NOTE",
        "WEBVTT",
        "1",
        "00:00:01,000 --> 00:00:02,000",
        "\n\n",
    ),
    *("a" * 100, "。" * 30, "字" * 50, "（", "」", "\u2028", "\x00", "\u0301", "👩\u200d👧", "مرحبا", "สวัสดี"),
]
TEXTS = st.one_of(
    st.text(max_size=12), st.sampled_from(NASTY), st.sampled_from(["well,", "yes.", "好", "，", "Triton"])
)
WORDS = st.lists(st.builds(Word, TEXTS, TIMES, TIMES), max_size=40)
SPOKEN = st.lists(st.tuples(TEXTS, st.floats(0.0, 1.5), st.floats(0.0, 1.5)), min_size=1, max_size=60)


def spoken(parts: list[tuple[str, float, float]]) -> list[Word]:
    """Words one after another, each after a pause."""
    words, at_s = [], 0.0
    for text, pause_s, word_s in parts:
        words.append(Word(text, at_s + pause_s, at_s + pause_s + word_s))
        at_s += pause_s + word_s
    return words


def visible(text: str) -> str:
    """The characters that a reader sees."""
    return "".join(char for char in text if unicodedata.category(char) != "Cc" and not char.isspace())


def parsed_srt(document: str) -> list[Cue]:
    return [
        Cue(found.start.total_seconds(), found.end.total_seconds(), found.content)
        for found in srt.parse(document, ignore_errors=False)
    ]


def parsed_vtt(document: str) -> list[Cue]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = list(webvtt.from_string(document))
    return [Cue(seconds(cue.start), seconds(cue.end), html.unescape(cue.raw_text)) for cue in found]


def seconds(time: str) -> float:
    hours, minutes, rest = time.split(":")
    return (3600_000 * int(hours) + 60_000 * int(minutes) + int(rest.replace(".", ""))) / 1000


@given(WORDS)
@example([Word("zero", 0.0, 0.0)] * 5)
@example([Word("all at once", 5.0, 9.0)] * 100)
@settings(max_examples=200)
def test_subtitles_of_any_words_are_what_independent_parsers_read(words):
    cues = cues_of_words(words, "", None, LONGEST_S)
    for found in (parsed_srt(subtitles(cues, "srt")), parsed_vtt(subtitles(cues, "vtt"))):
        assert [(cue.start_s, cue.end_s) for cue in found] == [(cue.start_s, cue.end_s) for cue in cues]
        shown = "".join(cue.text for cue in found).replace("\N{WORD JOINER}", "")
        assert visible(shown) == visible("".join(word.text for word in words)).replace("\N{WORD JOINER}", "")


@given(WORDS)
@settings(max_examples=200)
def test_times_are_ordered_and_lines_not_too_long_whatever_the_words(words):
    cues = cues_of_words(words, "", None, LONGEST_S)
    assert all(0 <= cue.start_s < cue.end_s <= cue.start_s + 7.0001 for cue in cues)  # times are whole milliseconds
    assert all(before.end_s <= after.start_s for before, after in pairwise(cues))
    lines = [cue.text.split("\n") for cue in cues]
    assert all(len(cue_lines) <= 2 for cue_lines in lines)
    assert all(0 <= width(line) <= MAX_COLUMNS for cue_lines in lines for line in cue_lines)


@given(SPOKEN)
@settings(max_examples=100)
def test_cues_stand_while_their_words_are_spoken(parts):
    words = spoken(parts)
    duration_s = words[-1].end_s + 2
    cues = cues_of_words(words, "", None, duration_s)
    assert all(cue.end_s <= duration_s + 0.001 * len(cues) for cue in cues)
    silent = [word for word in words if not visible(word.text)]
    for word in words:
        if word not in silent and word.start_s + 0.05 < word.end_s:
            middle_s = (word.start_s + word.end_s) / 2
            assert any(cue.start_s <= middle_s <= cue.end_s for cue in cues)


def texts(cues: list[Cue]) -> list[str]:
    return [cue.text for cue in cues]


def test_sentences_and_pauses_end_cues():
    segments = [
        Segment(0.0, 5.0, "Good morning, everyone. The meeting starts at nine o'clock."),
        Segment(9.0, 10.5, "Thank you."),
    ]
    assert texts(cues_of_segments(segments, "English", 12.0)) == [
        "Good morning, everyone.",
        "The meeting starts at nine o'clock.",
        "Thank you.",
    ]


def test_long_sentences_break_after_clauses():
    text = (
        "The report says that everything went well in spring, but nobody knows what will become of it "
        "once the team moves on to the next step in autumn"
    )
    cues = cues_of_segments([Segment(0.0, 10.0, text)], "English", 12.0)
    assert texts(cues) == [
        "The report says that\neverything went well in spring,",
        "but nobody knows what\nwill become of it once",
        "the team moves on to\nthe next step in autumn",
    ]


def test_chinese_lines_are_half_as_many_characters_and_never_begin_with_punctuation():
    text = "今天的会议在上午九点开始，我们已经决定下一步怎么做。请把报告发给小组，谢谢大家！"
    cues = cues_of_segments([Segment(0.0, 9.0, text)], "Chinese", 12.0)
    assert texts(cues) == ["今天的会议在上午九点开始，\n我们已经决定下一步怎么做。", "请把报告发给小组，谢谢大家！"]


@given(st.lists(st.sampled_from("你好我们，。！「」（）、"), min_size=1, max_size=200).map("".join))
@settings(max_examples=100)
def test_no_line_begins_with_punctuation_of_the_line_before(text):
    cues = cues_of_segments([Segment(0.0, 0.2 * len(text), text)], "Chinese", 100.0)
    lines = "\n".join(texts(cues)).split("\n")
    assert "".join(lines) == text
    for before, line in pairwise(lines):
        assert not is_closing(line[0]) or all(map(is_closing, before[-4:])) or is_closing(before[0])


@pytest.mark.parametrize(
    ("words", "text", "shown"),
    [
        (["h", "e", "l", "l", "o", "y", "o", "u"], "hello you", "hello you"),
        (["你", "好", "Triton"], "你好 Triton", "你好 Triton"),
        (["你", "好", "Triton"], "", "你好Triton"),
        (["Hello", ",", "you", "!"], "", "Hello, you!"),
        (["don", "'t"], "don't", "don't"),
        (["안녕", "하", "세요"], "안녕 하세요", "안녕 하세요"),
    ],
)
def test_words_are_spaced_as_in_the_text(words, text, shown):
    timed = spoken([(word, 0.0, 0.1) for word in words])
    assert texts(cues_of_words(timed, text, None, 5.0)) == [shown]


def test_a_short_word_is_shown_for_a_second_where_there_is_room():
    (cue,) = cues_of_words([Word("Yes.", 1.0, 1.2)], "Yes.", "English", 10.0)
    assert (cue.start_s, cue.end_s) == (1.0, 2.0)
    (cue,) = cues_of_words([Word("Yes.", 1.0, 1.2)], "Yes.", "English", 1.5)
    assert (cue.start_s, cue.end_s) == (1.0, 1.5)


def test_markup_is_shown_as_text():
    cues = [Cue(0.0, 1.0, "a < b & c --> d\n<i>no</i>")]
    assert subtitles(cues, "vtt").splitlines()[4:6] == ["a &lt; b &amp; c --&gt; d", "&lt;i&gt;no&lt;/i&gt;"]
    assert subtitles(cues, "srt").splitlines()[2:4] == ["a < b & c --> d", "<i>no</i>"]


def test_nothing_said():
    assert cues_of_segments([], None, 3.0) == []
    assert subtitles([], "srt") == ""
    assert list(webvtt.from_string(subtitles([], "vtt"))) == []


FAMILY, FLAG, HINDI, HANGUL = "👨\u200d👩\u200d👧\u200d👦", "🇫🇷", "क्षि", "\u1112\u1161\u11ab"


@pytest.mark.parametrize("character", [FAMILY, FLAG, HINDI, HANGUL, "e\u0301\u0323", "👍🏽"])
def test_what_reads_as_one_character_stays_whole(character: str) -> None:
    assert width(character) <= 2
    parts = cut_to_width(character * 60)
    assert "".join(parts) == character * 60
    assert len(parts) > 1
    for part in parts:
        assert part == character * (len(part) // len(character))
        assert width(part) <= MAX_COLUMNS
