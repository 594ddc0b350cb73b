"""Chat through a real Triton, with a checkpoint of random weights, by the SDK."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from qwen_client import Client, InvalidRequest
from qwen_server.profiles import load_profile
from qwen_server.triton_process import Address, TritonProcess
from tests.chat_checkpoints import write_random_chat
from tests.plain_http import post

WAIT_S = 60
MESSAGES = [{"role": "system", "content": "You are brief. " * 8}, {"role": "user", "content": "Hello é 早上好"}]
SCHEMA = {
    "type": "object",
    "properties": {"colour": {"enum": ["red", "green"]}, "sizes": {"type": "array", "items": {"type": "integer"}}},
    "required": ["colour", "sizes"],
    "additionalProperties": False,
}
SCHEMA["properties"]["sizes"]["maxItems"] = 3


@pytest.fixture(scope="module")
def chat_server(tmp_path_factory) -> Iterator[TritonProcess]:
    folder = write_random_chat(tmp_path_factory.mktemp("chat"))
    profile = folder / "profile.toml"
    profile.write_text(f'[qwen3_chat]\ncheckpoint = "{folder}"\nmax_batch = 4\n')
    with TritonProcess(load_profile(str(profile)), Address.free()) as process:
        process.wait_ready()
        yield process


@pytest.fixture(scope="module")
def chat(chat_server) -> Iterator[Any]:
    with Client(chat_server.address.grpc, timeout_s=WAIT_S) as client:
        yield client.chat


def test_an_answer_comes_in_pieces_that_make_the_whole(chat):
    with chat.stream(MESSAGES, max_tokens=60, temperature=0) as deltas:
        pieces = list(deltas)
    assert [piece.index for piece in pieces] == list(range(len(pieces)))
    assert len(pieces) > 20
    whole = chat.complete(MESSAGES, max_tokens=60, temperature=0)
    assert "".join(piece.text for piece in pieces) == whole.text
    assert deltas.finish_reason == whole.finish_reason == "length"
    assert whole.usage.completion_tokens == 60
    assert whole.usage.cached_tokens in range(0, whole.usage.prompt_tokens, 128)
    assert 0 < whole.timings.first_event_s <= whole.timings.total_s


def test_seeds_repeat_and_differ_also_in_a_crowd(chat):
    def text(seed: int) -> str:
        return chat.complete(MESSAGES, max_tokens=30, temperature=0.9, seed=seed).text

    alone = [text(seed) for seed in range(6)]
    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(text, range(6))) == alone
    assert len(set(alone)) == 6


def test_json_keeps_to_its_schema(chat):
    for seed in range(4):
        answer = chat.complete(MESSAGES, json_schema=SCHEMA, temperature=1.0, seed=seed, max_tokens=200)
        if answer.finish_reason == "stop":
            value = answer.json()
            assert value["colour"] in ("red", "green")
            assert len(value["sizes"]) <= 3


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"json_schema": {"type": "objct"}}, "OPTIONS.json_schema cannot be used: Invalid type: objct"),
        ({"temperature": 3.0}, "OPTIONS.temperature is 3.0"),
        ({"max_tokens": 0}, "OPTIONS.max_tokens is 0"),
    ],
)
def test_what_cannot_be_answered_is_refused_by_name(chat, options, told):
    with pytest.raises(InvalidRequest, match=told):
        chat.complete(MESSAGES, **options)


HOSTILE = [{"type": "integer", "multipleOf": 9999991}, {"allOf": [{"pattern": f".*{n}.*"} for n in range(400)]}]


@pytest.mark.parametrize("schema", HOSTILE, ids=["a large multiple", "400 patterns"])
def test_others_are_answered_while_a_hostile_schema_is_read(chat, schema):
    """It costs 2 s of a processor, in which its caller waits and nobody else does."""
    with ThreadPoolExecutor(2) as pool:
        hostile = [pool.submit(chat.complete, "Hello", json_schema={"type": "string", **schema}) for _ in range(2)]
        answered = 0
        while not all(one.done() for one in hostile):
            assert chat.complete("Hello", max_tokens=5, temperature=0).usage.completion_tokens == 5
            answered += 1
    for one in hostile:
        with pytest.raises(InvalidRequest, match=r"cannot be used: it (takes too much|is too complex)"):
            one.result()
    assert answered > 5
    assert chat.complete("Hello", json_schema={"const": 1}, max_tokens=9).json() == 1


def test_leaving_early_frees_the_row_for_others(chat):
    for _ in range(8):
        with chat.stream(MESSAGES, max_tokens=4000, temperature=1.0) as deltas:
            next(iter(deltas))
    assert chat.complete("Hello", max_tokens=3).usage.completion_tokens <= 3


def test_plain_http_streams(chat_server):
    body = {"text_input": "", "OPTIONS": json.dumps({"messages": MESSAGES, "max_tokens": 10, "temperature": 0})}
    events = [json.loads(one["EVENT"]) for one in post(chat_server, "qwen3_chat/generate_stream", body)]
    assert events[-1]["type"] == "end"
