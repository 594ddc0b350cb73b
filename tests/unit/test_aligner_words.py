"""Words for the aligner are upstream's, and those of the answer are the text's own."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers.models.qwen3_asr import Qwen3ASRProcessor

from qwen_engine.aligner.request import LANGUAGES, AlignRequest
from qwen_engine.aligner.words import characters, language_of_script, split_words
from qwen_wire.errors import InvalidRequest

SENTENCES = {
    "English": (
        '"It\'s state-of-the-art," she said (twice).',
        ["\"It's", 'state-of-the-art,"', "she", "said", "(twice)."],
    ),
    "French": ("« Ça va ? » — Oui, l’été !", ["« Ça", "va ? » —", "Oui,", "l’été !"]),
    "German": ("Er rief: „Los!“ – und ging.", ["Er", "rief:", "„Los!“ –", "und", "ging."]),
    "Spanish": ("¿Qué? ¡Sí, señor!", ["¿Qué?", "¡Sí,", "señor!"]),
    "Italian": ("Perché no? C'è tempo...", ["Perché", "no?", "C'è", "tempo..."]),
    "Portuguese": ("Amanhã, às 10h.", ["Amanhã,", "às", "10h."]),
    "Russian": ("Привет, «мир»!", ["Привет,", "«мир»!"]),
    "Chinese": ("他说：“你好，Anna”。", ["他", "说：", "“你", "好，", "Anna”。"]),
    "Cantonese": ("「早晨」呀 2 次", ["「早", "晨」", "呀", "2", "次"]),
    "Japanese": ("コーヒーを、ください。東京タワー", ["コーヒー", "を、", "ください。", "東", "京", "タワー"]),
    "Korean": ("안녕하세요, 오늘은 (비가) 와요!", ["안녕하세요,", "오늘은", "(비가)", "와요!"]),
}
TEXTS = st.text(
    st.one_of(st.characters(), st.sampled_from("ab é'.,-!?¿«»“”„()「」，。好你ーアあ \n\u00a0\u3000")), max_size=30
)


def units(text: str, language: str | None) -> list[str]:
    return [unit for word in split_words(text, language) for unit in word.units]


def official(text: str, language: str | None = None) -> list[str]:
    return Qwen3ASRProcessor.split_words_for_alignment(None, text, language)


def test_there_is_a_sentence_for_each_language():
    assert set(SENTENCES) == set(LANGUAGES)


@pytest.mark.parametrize(("language", "sentence"), SENTENCES.items())
def test_words_keep_their_punctuation(language, sentence):
    text, expected = sentence
    assert [word.text for word in split_words(text, language)] == expected


@pytest.mark.parametrize("language", sorted(SENTENCES.keys() - {"Japanese", "Korean"}))
def test_what_is_read_is_upstreams(language):
    text, _ = SENTENCES[language]
    assert units(text, language) == official(text, language)


def test_korean_is_cut_as_upstream_cuts_without_a_dictionary():
    assert units("안녕하세요, 오늘은 (비가) 와요!", "Korean") == ["안녕", "하세요", "오늘", "은", "비", "가", "와요"]


def test_accents_of_their_own_are_read_with_their_letters():
    (word,) = split_words("e\u0301te\u0301.", "French")
    assert (word.text, word.units) == ("e\u0301te\u0301.", ("été",))


@given(TEXTS)
def test_any_text_is_read_as_upstream_reads_it(text):
    text = unicodedata.normalize("NFC", text)
    assert units(text, None) == official(text)


@given(TEXTS, st.sampled_from([None, "Japanese", "Korean"]))
def test_the_words_are_the_text(text, language):
    words = split_words(text, language)
    at = 0
    for word in words:
        found = text.index(word.text, at)
        assert not text[at:found].strip()
        assert word.text == word.text.strip()
        assert all(word.units)
        at = found + len(word.text)
    assert not words or not text[at:].strip()
    assert words or not official(text)


@given(TEXTS)
def test_the_characters_are_the_word(text):
    for word in split_words(text):
        assert "".join(characters(word.text)) == word.text


@pytest.mark.parametrize(
    ("word", "expected"),
    [("(it's)", ["(i", "t", "'", "s)"]), ("va ?", ["v", "a ?"]), ("“你", ["“你"]), ("e\u0301a", ["e\u0301", "a"])],
)
def test_signs_go_with_their_characters(word, expected):
    assert characters(word) == expected


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("東京へ", "Japanese"),
        ("안녕 東", "Korean"),
        ("好 hello", "Chinese"),
        ("мир", "Russian"),
        ("été", None),
        ("", None),
    ],
)
def test_the_script_tells_the_language(text, language):
    assert language_of_script(text) == language


@pytest.mark.parametrize(
    ("name", "language"), [("YUE", "Cantonese"), ("auto", "Chinese"), (None, "Chinese"), ("fr", "French")]
)
def test_a_stated_language_counts(name, language):
    assert AlignRequest(None, "好", name).text_language == language


@pytest.mark.parametrize(
    ("name", "message"),
    [("ar", r"'ar'; allowed: auto, Cantonese \(yue\).*Spanish \(es\)"), ("Klingon", r"OPTIONS\.language is 'Klingon'")],
)
def test_other_languages_are_refused_by_name(name, message):
    with pytest.raises(InvalidRequest, match=message):
        _ = AlignRequest(None, "a", name).text_language
