"""One table understands a language, however it is written, wherever one is given."""

import contextlib
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers.models.qwen3_asr.processing_qwen3_asr import LANGUAGE_CODE_TO_NAME

from qwen_engine.aligner.request import AlignRequest
from qwen_engine.asr.request import AsrRequest
from qwen_engine.chains.tasks import lessons
from qwen_engine.chains.voice_chat.request import read_request
from qwen_engine.tts.config import TtsConfig
from qwen_wire.charts import parse_chart
from qwen_wire.errors import InvalidRequest
from qwen_wire.languages import CODES, DIALECTS, EXONYMS, LANGUAGES, NAMES, key_of, language_code, resolve_language
from tests.conftest import HOME

WRITTEN = {
    "Arabic": ["ar-EG", "ara", "arb", "ar-arz", "arz", "العربية"],
    "Cantonese": [
        "yue", "zh-HK", "zh_HK.UTF-8", "zh-Hant-HK", "zh-MO", "zh-yue", "zh-yue-Hant-HK", "yue-Hans-CN", "粵語", "粤语",
        "廣東話", "Chinese (Cantonese)", "Chinese (Hong Kong)", "Chinese (HK)", "Cantonese (yue)",
    ],
    "Chinese": [
        "zh", "zh-CN", "zh_CN", "zh_Hans", "zh-Hans-CN", "zh-Hant-TW", "zh-TW", "zh-SG", "ZH_cn.UTF-8", "zho", "chi",
        "cmn", "cmn-Hans-CN", "cmn-Hans-HK", "zh-cmn", "zh-cmn-Hans-CN", "Mandarin", "mandarin chinese", "中文",
        "普通话", "Chinese (Simplified)", "Traditional Chinese", "zh-Hans-CN-u-nu-hanidec", "zh-x-hk",
    ],
    "Czech": ["cs-CZ", "ces", "cze", "Čeština", "cestina"],
    "Danish": ["da_DK", "dan"],
    "Dutch": ["nld", "dut", "nl-BE", "Flemish"],
    "English": [
        "en", "EN ", " en", "\ten\n", "en_US", "en-us", "en-GB-oxendict", "eng", "English", "english", "ENGLISH ",
        "Ｅｎｇｌｉｓｈ", "en-001",
        "en_US.UTF-8", "en_IE@euro", "en-Latn-US", "English (US)", "English (United States)", "English (en)",
    ],
    "Filipino": ["fil-PH", "tl", "tgl", "Tagalog"],
    "Finnish": ["fin", "Suomi"],
    "French": ["fr-CA", "fra", "fre", "Français", "francais", "franc\u0327ais"],
    "German": ["deu", "ger", "de-AT", "de_DE@euro", "Deutsch"],
    "Greek": ["ell", "gre", "Ελληνικά", "ΕΛΛΗΝΙΚΑ"],
    "Hindi": ["hin", "हिन्दी", "हिंदी"],
    "Hungarian": ["hun", "Magyar"],
    "Indonesian": ["ind", "id-ID", "bahasa  indonesia"],
    "Italian": ["ita", "it-CH"],
    "Japanese": ["jpn", "ja-JP", "日本語"],
    "Korean": ["kor", "ko_KR", "한국어"],
    "Macedonian": ["mkd", "mac"],
    "Malay": ["msa", "may", "zsm", "ms-zsm", "Bahasa Melayu"],
    "Persian": ["fas", "per", "pes", "fa-AF", "Farsi"],
    "Polish": ["pol", "Polski"],
    "Portuguese": ["por", "pt-BR", "pt_PT", "Português", "Portuguese (Brazil)"],
    "Romanian": ["ron", "rum", "ro-MD"],
    "Russian": ["rus", "ru-RU", "РУССКИЙ"],
    "Spanish": ["spa", "es-419", "es-MX", "Español", "castellano"],
    "Swedish": ["swe", "sv_SE"],
    "Thai": ["tha", "ไทย"],
    "Turkish": ["tur", "Türkçe", "TÜRKÇE"],
    "Vietnamese": ["vie", "vi-VN", "Tiếng Việt", "tieng viet"],
}  # fmt: skip
UNKNOWN = [
    "Klingon", "tlh", "xx", "e", "en-fra", "en--US", "en US", "english!", "-", "_", "()", "(en)", "Klingon (en)", "0",
    "null", "zh-abc", "Chinese (nonsense of some kind)", "english" * 20, "\0", "\ud800", "en\0", "日", "auto-en",
]  # fmt: skip


EXONYMS_WRITTEN = {
    "French": ["法语", "法文", "Französisch", "francés", "프랑스어", "フランス語", "французский", "الفرنسية"],
    "German": ["德语", "allemand", "alemán", "ドイツ語", "tedesco", "немецкий"],
    "English": ["英语", "英文", "Englisch", "anglais", "英語", "영어", "английский", "Englisch (en)"],
    "Chinese": ["Chinesisch", "chinois", "中国語", "중국어", "китайский"],
    "Japanese": ["日语", "日文", "Japanisch", "일본어"],
}


def test_the_languages_are_upstreams():
    assert NAMES == LANGUAGE_CODE_TO_NAME


def test_what_is_written_means_one_language_each():
    written = [one.casefold() for language in LANGUAGES for one in (language.code, language.name, *language.others)]
    written += [one.casefold() for name, others in DIALECTS.items() for one in (name, *others)]
    assert len(written) == len(set(written))


def test_names_in_other_languages_mean_one_language_each_and_are_no_codes():
    rows = [line.split("\t") for line in EXONYMS.read_text(encoding="utf-8").splitlines()[1:]]
    assert [code for code, *_ in rows] == [language.code for language in LANGUAGES]
    assert min(len(names) for _, *names in rows) > 10
    keys = [key_of(name) for _, *names in rows for name in names]
    assert len(keys) == len(set(keys))
    assert [key for key in keys if re.fullmatch("[a-z]{2,3}", key)] == []
    for code, *names in rows:
        assert {resolve_language(name) for name in names} == {NAMES[code]}


@pytest.mark.parametrize(
    ("name", "written"), [(name, one) for name, several in EXONYMS_WRITTEN.items() for one in several]
)
def test_a_language_may_be_named_in_another(name, written):
    assert resolve_language(written) == name
    assert language_code(written, "languages") == CODES[name]


@pytest.mark.parametrize(("name", "written"), [(name, one) for name, several in WRITTEN.items() for one in several])
def test_a_language_however_it_is_written(name, written):
    assert resolve_language(written) == name
    assert language_code(written, "language") == CODES[name]


@pytest.mark.parametrize("language", LANGUAGES, ids=lambda language: language.code)
def test_a_language_has_names_and_codes_in_any_case(language):
    for one in (language.code, language.name, *language.others, f"{language.name} ({language.code})"):
        assert {resolve_language(each) for each in (one, one.upper(), one.lower(), f" {one} ")} == {language.name}


@pytest.mark.parametrize("written", [None, "auto", "Auto", " AUTO ", "", "  ", "und"])
def test_a_language_may_be_left_open(written):
    assert resolve_language(written) is None


@pytest.mark.parametrize("written", ["auto", ""])
def test_not_where_one_has_to_be_named(written):
    with pytest.raises(InvalidRequest, match=rf"^languages has '{written}'; allowed: Arabic \(ar\), "):
        language_code(written, "languages")


@pytest.mark.parametrize("written", UNKNOWN)
def test_another_language_is_refused_with_the_known_ones(written):
    with pytest.raises(
        InvalidRequest, match=r"OPTIONS\.language is '.*'; allowed: auto, Arabic \(ar\), Czech"
    ) as caught:
        resolve_language(written)
    assert len(str(caught.value)) < 800


@given(st.text(max_size=300))
def test_any_text_is_a_language_or_refused(written):
    with contextlib.suppress(InvalidRequest):
        assert resolve_language(written) in (None, *CODES)


def test_a_dialect_is_heard_as_chinese_and_spoken_by_nobody():
    for written in ("wuu", "nan-TW", "zh-nan", "Minnan", "闽南语", "Sichuan", "sichuan_dialect", "Shanghainese"):
        assert AsrRequest(None, written).forced_language == "Chinese"
        assert AlignRequest(None, "好", written).text_language == "Chinese"
        with pytest.raises(InvalidRequest, match="allowed"):
            resolve_language(written)


@pytest.fixture(scope="module")
def config() -> TtsConfig:
    return TtsConfig.load(HOME / "demo" / "checkpoints" / "tts")


@pytest.mark.parametrize(
    ("written", "key"),
    [("en", "english"), ("EN ", "english"), ("en_US", "english"), ("zh", "chinese"), ("cmn", "chinese"),
     ("chinese", "chinese"), ("auto", "auto"), (None, "auto"), ("", "auto")],
)  # fmt: skip
def test_a_voice_speaks_a_language_however_it_is_written(config, written, key):
    assert config.language_key(written) == key


@pytest.mark.parametrize("written", ["fr", "yue", "zh-HK", "sichuan_dialect", "klingon"])
def test_a_voice_refuses_what_its_checkpoint_does_not_speak(config, written):
    with pytest.raises(InvalidRequest, match=rf"'{written}'; allowed: auto, Chinese \(zh\), English \(en\)$"):
        config.language_key(written)


@pytest.mark.parametrize("written", ["zh_CN", "Mandarin", "zho"])
def test_functions_of_lessons_understand_the_table(written):
    lesson = {"title": "Circles", "slides": [], "links": []}
    requests = lessons.translation_requests(lesson, [written, "zh", "eng"], "en-US")
    assert requests == [{"language": "zh", "text": "Circles", "prompt": "zh: Circles"}]
    asked = [{**request, "language": written} for request in requests]
    localised = lessons.localised_lessons(lesson, asked, ["圆"], [written, "eng"], "English")
    assert {code: one["title"] for code, one in localised.items()} == {"en": "Circles", "zh": "圆"}
    assert lessons.narration(localised, {written: "mei"})["silent"] == ["en"]
    assert lessons.lesson_language([], written) == "zh"


@pytest.mark.parametrize(("written", "told"), [("zh-CN", "zh"), ("Japanese", "ja"), ("EN", "en"), ("auto", None)])
def test_charts_understand_the_table(written, told):
    chart = {"type": "timeline", "language": written, "events": [{"date": "2026-11-25", "label": "Start"}]}
    assert parse_chart(json.dumps(chart).encode()).language == told


def test_charts_refuse_what_they_have_no_words_in():
    chart = {"type": "timeline", "language": "fr", "events": [{"date": "2026-11-25", "label": "Start"}]}
    with pytest.raises(InvalidRequest, match=r"^CHART\.language is 'fr'; allowed: auto, English \(en\), Chinese"):
        parse_chart(json.dumps(chart).encode())


def test_a_conversation_refuses_an_unknown_language_though_nothing_is_heard():
    inputs = {"AUDIO": b"", "TEXT": b"Hello.", "OPTIONS": b'{"language": "klingon"}'}
    with pytest.raises(InvalidRequest, match=r"OPTIONS\.language is 'klingon'"):
        read_request(inputs)
