"""Subtitle files: what is in them, whatever the text is."""

import pytest

from qwen_client import Cue
from qwen_wire.subtitles import subtitles

CUES = [Cue(0.0, 1.2345, "good\nmorning"), Cue(3599.9996, 3661.001, "你好")]


def test_srt() -> None:
    assert subtitles(CUES, "srt") == (
        "1\n00:00:00,000 --> 00:00:01,234\ngood\nmorning\n\n2\n01:00:00,000 --> 01:01:01,001\n你好\n\n"
    )


def test_vtt() -> None:
    assert subtitles(CUES, "vtt") == (
        "WEBVTT\n\n1\n00:00:00.000 --> 00:00:01.234\ngood\nmorning\n\n2\n01:00:00.000 --> 01:01:01.001\n你好\n\n"
    )


@pytest.mark.parametrize("text", ["{curly}", "<b>bold</b>", "fish & chips", "a --> b"])
def test_text_that_looks_like_markup_is_kept(text: str) -> None:
    shown_as_vtt = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")

    assert f"\n{text}\n" in subtitles([Cue(0, 1, text)], "srt")
    assert f"\n{shown_as_vtt}\n" in subtitles([Cue(0, 1, text)], "vtt")


@pytest.mark.parametrize("text", [r"C:\new\home\None", r"a\N", r"{\i1}", "back\\"])
def test_backslashes_are_neither_lines_nor_blanks(text: str) -> None:
    written = subtitles([Cue(0, 1, text)], "srt")

    assert f"\n{text}\n" in written.replace("\N{WORD JOINER}", "")


def test_nothing_said_is_an_empty_file() -> None:
    assert subtitles([], "srt") == ""
    assert subtitles([], "vtt") == "WEBVTT\n\n"
