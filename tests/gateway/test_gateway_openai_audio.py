"""OpenAI's audio endpoints, by OpenAI's own client, in front of the scripted server."""

import json
from collections.abc import Iterator
from typing import Any

import httpx2 as httpx
import pytest
from client_scripts import ENDING, event
from fake_triton import FakeTriton, Payloads
from openai import BadRequestError, NotFoundError, OpenAI, UnprocessableEntityError

WAV = ("speech.wav", b"RIFF and so on")


def test_json_is_the_default(openai: OpenAI) -> None:
    heard = openai.audio.transcriptions.create(model="whisper-1", file=WAV)
    assert heard.text == "14 bytes"


@pytest.mark.parametrize("subtitles", ["srt", "vtt"])
def test_subtitles(subtitles: Any, openai: OpenAI) -> None:
    told = openai.audio.transcriptions.create(model="whisper-1", file=WAV, response_format=subtitles)
    assert "14\nbytes" in told
    assert "00:00:02" in told


def test_text(openai: OpenAI) -> None:
    assert openai.audio.transcriptions.create(model="whisper-1", file=WAV, response_format="text") == "14 bytes\n"


def test_verbose_with_words_and_segments(openai: OpenAI, triton: FakeTriton) -> None:
    told = openai.audio.transcriptions.create(
        model="whisper-1",
        file=WAV,
        response_format="verbose_json",
        timestamp_granularities=["word", "segment"],
        language="en",
        prompt="Qwen",
        temperature=0.5,
    )
    assert (told.text, told.language, told.duration) == ("14 bytes", "english", 2.5)
    assert [(one.start, one.end, one.text) for one in told.segments or []] == [(0.0, 2.5, "14 bytes")]
    assert [(one.word, one.start) for one in told.words or []] == [("14", 0.0), ("bytes", 1.0)]
    wanted = {"language": "en", "context": "Qwen", "timestamps": "word", "temperature": 0.5}
    assert json.loads(triton.received[0].inputs["OPTIONS"]) == wanted


def test_deltas(openai: OpenAI) -> None:
    with openai.audio.transcriptions.create(model="gpt-4o-transcribe", file=WAV, stream=True) as events:
        kinds = [event.type for event in events]
    assert kinds == ["transcript.text.delta", "transcript.text.done"]


@pytest.mark.parametrize("sound_format", ["mp3", "opus", "aac", "flac", "wav", "pcm"])
def test_speech(sound_format: Any, openai: OpenAI) -> None:
    with openai.audio.speech.with_streaming_response.create(
        model="tts-1", voice="alloy", input="Good morning.", response_format=sound_format
    ) as spoken:
        data = b"".join(spoken.iter_bytes())
    beginnings = {"mp3": b"ID3", "opus": b"OggS", "aac": b"\xff", "flac": b"fLaC", "wav": b"RIFF", "pcm": b""}
    assert data.startswith(beginnings[sound_format])
    assert len(data) > 100


def test_speech_as_events(http: httpx.Client) -> None:
    body = {"model": "gpt-4o-mini-tts", "voice": {"id": "coral"}, "input": "Hello.", "stream_format": "sse"}
    with http.stream("POST", "/v1/audio/speech", json=body) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        events = [json.loads(line[6:]) for line in answer.iter_lines() if line.startswith("data: ")]
    assert {one["type"] for one in events[:-1]} == {"speech.audio.delta"}
    assert (events[-1]["type"], "usage" in events[-1]) == ("speech.audio.done", True)


def test_names_of_other_voices_are_the_first_speaker(openai: OpenAI, triton: FakeTriton) -> None:
    for voice in ("alloy", "ava"):
        openai.audio.speech.create(model="tts-1", voice=voice, input="Hello.", instructions="Calmly.").read()
    first, second = (json.loads(request.inputs["OPTIONS"]) for request in triton.received)
    assert first == {"instruction": "Calmly."}
    assert second == {"voice": "ava", "instruction": "Calmly."}


def speakers(_: Payloads) -> Iterator[Payloads]:
    yield {"AUDIO": b"", "EVENT": event(0, "voices", speakers=["ava"], voices=[], languages=["English"])}
    yield {"AUDIO": b"", "EVENT": event(1, "end", **ENDING)}


def test_voices_and_models_as_open_webui_asks_for_them(http: httpx.Client, triton: FakeTriton) -> None:
    triton.scripts["qwen3_tts"] = speakers
    voices = http.get("/v1/audio/voices").json()["voices"]
    assert voices[0] == {"id": "ava", "name": "ava"}
    assert {"id": "alloy", "name": "alloy"} in voices
    assert {"id": "whisper-1"} in http.get("/v1/audio/models").json()["models"]


def test_models(openai: OpenAI) -> None:
    names = [model.id for model in openai.models.list()]
    assert {"qwen3_asr", "whisper-1", "tts-1"} <= set(names)
    assert openai.models.retrieve("whisper-1").id == "whisper-1"
    with pytest.raises(NotFoundError):
        openai.models.retrieve("nothing")


def chinese(inputs: Payloads) -> Iterator[Payloads]:
    segments = [{"start_s": 0.0, "end_s": 2.0, "text": "早上好。"}, {"start_s": 2.0, "end_s": 4.0, "text": "谢谢。"}]
    told = {"language": "Chinese", "duration_s": 4.0, "text": "早上好。谢谢。", "segments": segments, **ENDING}
    yield {"TEXT": b"", "RESULT": json.dumps(told).encode()}


@pytest.mark.filterwarnings("ignore:deprecated")
def test_translations_are_in_english_segment_by_segment(openai: OpenAI, triton: FakeTriton) -> None:
    assert openai.audio.translations.create(model="whisper-1", file=WAV).text == "14 bytes"  # which was English
    triton.scripts["qwen3_asr"] = chinese
    told = openai.audio.translations.create(model="whisper-1", file=WAV, response_format="verbose_json")
    assert (told.language, told.text) == ("english", "2: 早上好。 2: 谢谢。")  # what the scripted chat model answers
    assert [(one.start, one.text) for one in told.segments or []] == [(0.0, "2: 早上好。"), (2.0, "2: 谢谢。")]
    srt = openai.audio.translations.create(model="whisper-1", file=WAV, response_format="srt")
    assert "00:00:02,000 --> 00:00:04,000\n2: 谢谢。" in str(srt)
    asked = json.loads(triton.received[2].inputs["OPTIONS"])
    assert "into English" in asked["messages"][0]["content"]


def test_errors_are_those_of_the_client(openai: OpenAI) -> None:
    with pytest.raises(BadRequestError) as caught:
        openai.audio.transcriptions.create(model="whisper-1", file=WAV, response_format="diarized_json")
    assert caught.value.param == "response_format"
    with pytest.raises(UnprocessableEntityError) as wrong:
        openai.audio.speech.create(model="tts-1", voice="alloy", input="x" * 5000)
    assert wrong.value.param == "input"
