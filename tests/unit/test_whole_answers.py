"""Answers in one response, of models that otherwise answer in pieces."""

import json
from base64 import b64decode
from typing import Any

import numpy as np
import pytest
from workflow_runs import run, scripted

from qwen_engine.chat import answer as chat_answer
from qwen_engine.chat.detokenizer import Delta
from qwen_engine.tts import answer as tts_answer
from qwen_engine.tts.request import AudioChunk
from qwen_wire.chains import StageResult
from qwen_wire.errors import InvalidRequest
from qwen_wire.options import ImageOptions, TtsOptions, parse_options
from qwen_wire.speech import VoiceList

WHOLE = {"stream": False}


def test_all_sound_is_one_payload_also_in_base64() -> None:
    """Pieces of base64 one after another would be none."""
    pieces = [np.full(number, number / 100, np.float32) for number in (1, 2, 4)]
    chunks = [AudioChunk(samples, 24000, number + 1, 0.1 * number) for number, samples in enumerate(pieces)]
    raw = tts_answer.encode(tts_answer.join(chunks), TtsOptions(stream=False))
    text = tts_answer.encode(tts_answer.join(chunks), TtsOptions(stream=False, output_encoding="base64"))
    assert raw["AUDIO"] == b64decode(text["AUDIO"], validate=True)
    assert np.frombuffer(raw["AUDIO"], "<i2").tolist() == [round(32767 / 100 * n) for n in (1, 2, 2, 4, 4, 4, 4)]
    assert raw["EVENT"].frames == 3


def test_the_consent_to_a_cloned_voice_is_told_with_the_whole() -> None:
    chunks = [AudioChunk(np.zeros(2, np.float32), 24000, 1, 0.1, told) for told in ("Anna, by mail", None)]
    answer = tts_answer.encode(tts_answer.join(chunks), TtsOptions(stream=False))
    assert answer["EVENT"].consent == "Anna, by mail"
    assert tts_answer.encode(chunks[1], TtsOptions())["EVENT"].consent is None


def test_a_text_stream_cannot_be_answered_whole() -> None:
    with pytest.raises(InvalidRequest, match=r"OPTIONS\.text_stream is 'a', but OPTIONS\.stream is false"):
        parse_options(TtsOptions, b'{"text_stream": "a", "stream": false}')
    assert parse_options(TtsOptions, b'{"action": "add_text", "text_stream": "a", "stream": false}').stream is False


def test_what_is_told_of_voices_stays_as_it_is() -> None:
    told = VoiceList(speakers=("ava",), voices=())
    assert tts_answer.join([told]) == told


def asked(echo: str = "", *counts: str) -> chat_answer.AnswerForm:
    return chat_answer.AnswerForm(stream=False, echo=echo, counts=frozenset(counts), num_prompt_tokens=7)


def test_the_prompt_comes_before_a_whole_answer_once_and_alone_where_there_is_none() -> None:
    answered, silent = asked("Hello ", "num_output_tokens"), asked("Hello ")
    assert chat_answer.encode(chat_answer.join([Delta("text", "you", 1)]), answered)["text_output"] == b"Hello you"
    usage = {"usage": {"completion_tokens": 3}}
    assert chat_answer.close(usage, answered) == {"num_output_tokens": 3}
    assert chat_answer.close(usage, silent) == {"text_output": b"Hello "}


def test_an_answer_is_one_text_and_its_thinking_apart() -> None:
    deltas = [Delta("thinking", "a "), Delta("thinking", "b"), Delta("text", "c "), Delta("text", "d")]
    whole = chat_answer.encode(chat_answer.join(deltas), asked())
    assert whole == {"text_output": b"c d", "EVENT": {"thinking": "a b"}}
    assert chat_answer.encode(chat_answer.join(deltas[2:]), asked())["EVENT"] == {}


@pytest.mark.parametrize(("field", "value"), [("n", 2), ("preview_every", 1)])
def test_one_response_has_room_for_one_picture(field: str, value: int) -> None:
    with pytest.raises(InvalidRequest, match=f"OPTIONS.{field} is {value}, but OPTIONS.stream is false"):
        parse_options(ImageOptions, json.dumps({**WHOLE, field: value}).encode())
    assert parse_options(ImageOptions, json.dumps({field: value}).encode()).stream


GRAPH = {
    "inputs": {"audio": {"type": "bytes"}},
    "nodes": {
        "heard": {"model": "qwen3_asr", "inputs": {"AUDIO": "$inputs.audio"}},
        "drawn": {"model": "qwen_image", "inputs": {"PROMPT": "$heard.TEXT"}},
        "said": {"model": "qwen3_tts", "inputs": {"TEXT": "$heard.TEXT"}},
    },
    "outputs": {"picture": "$drawn.IMAGE", "words": "$heard.TEXT"},
}


@pytest.mark.parametrize("encoding", ["raw", "base64"])
def test_a_workflow_tells_all_its_results_with_its_end(encoding: str) -> None:
    audio: dict[str, Any] = {"audio": {"payload": 0}}
    streamed = run(GRAPH, payloads=(b"123",), inputs=audio)
    whole = run(GRAPH, payloads=(b"MTIz" if encoding == "base64" else b"123",), inputs=audio, **WHOLE,
                input_encoding=encoding, output_encoding=encoding)  # fmt: skip
    assert whole.events == []
    assert whole.end.finish_reason == "stop"
    results = {(one["stage"], one["output"]): one for one in whole.end.to_dict()["results"]}
    expected = {(one.stage, one.output): one for one in streamed.events if isinstance(one, StageResult)}
    assert results.keys() == expected.keys()
    assert results["heard", "TEXT"]["value"] == "3 bytes"
    assert b64decode(results["drawn", "IMAGE"]["payload"]) == expected["drawn", "IMAGE"].payload
    assert whole.end.to_dict()["outputs"] == streamed.end.to_dict()["outputs"]
    assert json.dumps(whole.end.to_dict())


def test_a_node_cannot_ask_for_a_whole_answer() -> None:
    graph = {"nodes": {"said": {"model": "qwen3_tts", "inputs": {"TEXT": "hello"}, "options": WHOLE}}}
    with pytest.raises(InvalidRequest, match=r"said\.options\.stream: a chain takes every answer in pieces"):
        run(graph, scripted())
