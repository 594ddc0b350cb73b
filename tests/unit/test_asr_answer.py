"""TEXT and RESULT of a transcript, in every form a caller may ask for."""

import json

import pytest

from qwen_engine.asr import answer as module
from qwen_engine.asr.request import Recognition
from qwen_wire.messages import to_dict
from qwen_wire.options import AsrOptions, parse_options
from qwen_wire.transcripts import FailedPiece, VerboseSegment, Word

SEGMENTS = [
    VerboseSegment(0.5, 3.25, "It costs twenty five dollars.", "English", 9),
    VerboseSegment(5.0, 6.0, "Thank you.", "English", 4),
]
SPOKEN = [("It", 0.5), ("costs", 0.8), ("twenty", 1.2), ("five", 1.6), ("dollars.", 2.0), ("Thank", 5.1), ("you.", 5.4)]
WORDS = [Word(text, start_s, start_s + 0.3) for text, start_s in SPOKEN]
TEXT = "It costs twenty five dollars. Thank you."


def answer(heard: Recognition, asked: AsrOptions) -> tuple[str, dict[str, object]]:
    """TEXT and RESULT, but for what every RESULT ends with."""
    text, result = module.answer(heard, asked)
    told = to_dict(result)
    assert told.pop("finish_reason") == heard.finish_reason
    return text, told


def transcript(**changes: object) -> Recognition:
    return Recognition(TEXT, "English", 6.5, **({"segments": SEGMENTS} | changes))


def options(**fields: object) -> AsrOptions:
    return parse_options(AsrOptions, json.dumps(fields).encode())


def test_json_has_segments_and_cues():
    text, result = answer(transcript(), options())
    assert text == TEXT
    assert result == {
        "language": "English",
        "duration_s": 6.5,
        "text": TEXT,
        "segments": [
            {"start_s": 0.5, "end_s": 3.25, "text": "It costs twenty five dollars."},
            {"start_s": 5.0, "end_s": 6.0, "text": "Thank you."},
        ],
        "cues": [
            {"start_s": 0.5, "end_s": 3.25, "text": "It costs twenty five dollars."},
            {"start_s": 5.0, "end_s": 6.0, "text": "Thank you."},
        ],
    }


def test_verbose_json_tells_more_of_each_segment():
    _, result = answer(transcript(), options(**{"return": "verbose_json"}))
    assert result["segments"][1] == {
        "start_s": 5.0, "end_s": 6.0, "text": "Thank you.", "language": "English", "num_tokens": 4
    }  # fmt: skip


def test_text_alone():
    text, result = answer(transcript(), options(**{"return": "text"}))
    assert text == TEXT
    assert result == {"language": "English", "duration_s": 6.5, "text": TEXT}


def test_without_timestamps_there_are_no_cues():
    _, result = answer(transcript(), options(timestamps="none"))
    assert set(result) == {"language", "duration_s", "text", "segments"}


@pytest.mark.parametrize("form", ["srt", "vtt"])
def test_subtitles_come_as_text_and_the_rest_as_ever(form):
    text, result = answer(transcript(words=WORDS), options(**{"return": form, "timestamps": "word"}))
    assert text.strip().splitlines()[-1] == "Thank you."
    assert ("00:00:05,100 --> 00:00:06,100" in text) is (form == "srt")
    assert ("00:00:05.100 --> 00:00:06.100" in text) is (form == "vtt")
    assert result["text"] == TEXT
    assert result["words"][2] == {"text": "twenty", "start_s": 1.2, "end_s": 1.5}


def test_figures_are_written_and_the_raw_text_is_kept():
    text, result = answer(transcript(), options(itn=True))
    assert text == result["text"] == "It costs $25. Thank you."
    assert result["raw_text"] == TEXT
    assert [segment["text"] for segment in result["segments"]] == ["It costs $25.", "Thank you."]


def test_subtitles_in_figures_stand_while_the_words_are_spoken():
    text, result = answer(transcript(words=WORDS), options(**{"return": "srt", "timestamps": "word", "itn": True}))
    assert text.splitlines()[1:3] == ["00:00:00,500 --> 00:00:02,300", "It costs $25."]
    assert [word["text"] for word in result["words"]] == [word.text for word in WORDS]


def test_figures_of_chinese_characters_too():
    characters = [Word(char, 0.2 * number, 0.2 * number + 0.2) for number, char in enumerate("一共百分之二十。")]
    said = Recognition(
        "一共百分之二十。", "Chinese", 2.0, [VerboseSegment(0.0, 1.6, "一共百分之二十。", "Chinese", 8)], characters
    )
    for timestamps in ("word", "char"):
        text, result = answer(said, options(**{"return": "srt", "timestamps": timestamps, "itn": True}))
        assert text.splitlines()[1:3] == ["00:00:00,000 --> 00:00:01,600", "一共20%。"]
        assert result["raw_text"] == "一共百分之二十。"


def test_a_segment_without_word_times_is_still_shown():
    text, _ = answer(transcript(words=WORDS[:5]), options(**{"return": "srt", "timestamps": "word"}))
    assert "00:00:05,000 --> 00:00:06,000\nThank you." in text


def test_what_failed_is_told():
    failed = [FailedPiece(3.25, 5.0, "internal error")]
    for form in ("text", "json", "srt"):
        _, result = answer(transcript(failed=failed), options(**{"return": form}))
        assert result["failed"] == [{"start_s": 3.25, "end_s": 5.0, "message": "internal error"}]


@pytest.mark.parametrize(("damage_s", "told"), [(0.0, {}), (0.06512, {"damage_s": 0.065}), (1e-5, {"damage_s": 0.001})])
def test_damage_is_told_where_there_is_any(damage_s, told):
    for form in ("text", "json", "srt"):
        _, result = answer(transcript(damage_s=damage_s), options(**{"return": form}))
        assert {name: result[name] for name in ("damage_s",) if name in result} == told


@pytest.mark.parametrize("timestamps", ["segment", "word"])
@pytest.mark.parametrize("form", ["json", "text", "srt"])
def test_silence(timestamps, form):
    said = Recognition("", None, 3.0, words=[] if timestamps == "word" else None)
    text, result = answer(said, options(**{"return": form, "timestamps": timestamps, "itn": True}))
    assert text == ""
    assert result["language"] is None
    assert result.get("segments", []) == result.get("words", []) == result.get("cues", []) == []
