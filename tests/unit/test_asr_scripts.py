"""Texts are joined as their scripts are spaced."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers.models.qwen3_asr.processing_qwen3_asr import _is_cjk_char

from qwen_engine.asr.scripts import UNSPACED, is_cjk, is_spaced
from qwen_engine.asr.text_join import join_texts
from qwen_wire.languages import CODES


def test_unspaced_languages_are_languages():
    assert set(CODES) >= UNSPACED


@given(st.characters())
def test_ideographs_are_upstreams(char):
    if _is_cjk_char(char):
        assert is_cjk(char)


@pytest.mark.parametrize(("char", "expected"), [("好", True), ("か", True), ("カ", True), ("々", True), ("한", False),
                                                ("a", False), ("я", False), ("ไ", False), ("，", False)])  # fmt: skip
def test_which_characters_are_cjk(char, expected):
    assert is_cjk(char) is expected


@pytest.mark.parametrize(
    ("language", "texts", "joined"),
    [
        ("English", ["Good morning.", "The meeting starts."], "Good morning. The meeting starts."),
        ("English", [" padded ", "", "  ", "words\n"], "padded words"),
        ("English", ["Hello", ",", "world", "!"], "Hello, world!"),
        ("English", ["he said", "(", "quietly", ")", "no"], "he said (quietly) no"),
        ("French", ["dit-il", "«", "oui", "»"], "dit-il «oui»"),
        ("Spanish", ["Hola.", "¿", "Qué tal", "?"], "Hola. ¿Qué tal?"),
        ("Chinese", ["早上好。", "今天开会。"], "早上好。今天开会。"),
        ("Chinese", ["我们用", "Triton", "服务器"], "我们用Triton服务器"),
        ("Chinese", ["Qwen", "Triton"], "Qwen Triton"),
        ("Chinese", ["3", "5"], "35"),
        ("English", ["3", "5"], "3 5"),
        ("Japanese", ["こんにちは", "世界"], "こんにちは世界"),
        ("Korean", ["안녕하세요", "여러분"], "안녕하세요 여러분"),
        ("Thai", ["สวัสดี", "ทุกคน"], "สวัสดี ทุกคน"),
        ("Arabic", ["مرحبا", "،", "شكرا", "؟"], "مرحبا، شكرا؟"),
        (None, ["你好，", "world"], "你好，world"),
        (None, [], ""),
    ],
)
def test_pieces_are_joined_as_their_script_is_spaced(language, texts, joined):
    assert join_texts(texts, language) == joined


@given(st.lists(st.text()), st.sampled_from([None, *CODES]))
def test_joining_keeps_every_character_in_order(texts, language):
    joined = join_texts(texts, language)
    assert "".join(joined.split()) == "".join("".join(texts).split())
    assert joined == joined.strip()


def test_where_sentences_are_spaced():
    assert is_spaced("English")
    assert is_spaced(None)
    assert not is_spaced("Cantonese")
