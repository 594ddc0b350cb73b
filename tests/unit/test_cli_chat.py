"""`qwen chat`: an answer as it is written, or a conversation line by line."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from command_line import assert_fails_on_one_line, qwen
from fake_triton import FakeTriton, Payloads, Refusal
from grpc import StatusCode

pytestmark = pytest.mark.usefixtures("command_line")


def options(triton: FakeTriton) -> list[dict[str, Any]]:
    return [json.loads(request.inputs["OPTIONS"]) for request in triton.received]


def test_an_answer_goes_to_stdout(triton: FakeTriton) -> None:
    result = qwen("chat", "Good morning", "--system", "Be brief.", "--seed", "3", "--stop", "a", "--stop", "b")

    assert (result.exit_code, result.stdout, result.stderr) == (0, "2: Good morning\n", "")
    (sent,) = options(triton)
    assert [message["role"] for message in sent["messages"]] == ["system", "user"]
    assert (sent["seed"], sent["stop"]) == (3, ["a", "b"])


def test_thinking_goes_to_stderr() -> None:
    result = qwen("chat", "Hello", "--thinking")
    assert (result.stdout, result.stderr) == ("1: Hello\n", "Let me see.")


def test_a_schema_comes_from_a_file(triton: FakeTriton) -> None:
    Path("schema.json").write_text('{"enum": ["red"]}')
    qwen("chat", "-", "--json-schema", "schema.json", stdin="A red ring.\n")

    assert options(triton)[0]["json_schema"] == {"enum": ["red"]}
    assert options(triton)[0]["messages"] == [{"role": "user", "content": "A red ring."}]


def test_json_tells_everything() -> None:
    told = json.loads(qwen("chat", "Hello", "--json").stdout)
    assert (told["text"], told["finish_reason"], told["usage"]["completion_tokens"]) == ("1: Hello", "stop", 2)


def test_a_conversation_remembers_what_was_said(triton: FakeTriton) -> None:
    result = qwen("chat", "--system", "Be brief.", stdin="Hello\n\nGood evening\n")

    assert result.stdout == "2: Hello\n4: Good evening\n"
    assert options(triton)[1]["messages"][1:] == [
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "2: Hello"},
        {"role": "user", "content": "Good evening"},
    ]


def test_a_conversation_goes_on_after_an_error(triton: FakeTriton) -> None:
    answer = triton.scripts["qwen3_chat"]

    def script(inputs: Payloads) -> Iterator[Payloads]:
        if b"Hello" in inputs["OPTIONS"]:
            raise Refusal(StatusCode.UNAVAILABLE, "the queue is full")
        yield from answer(inputs)

    triton.scripts["qwen3_chat"] = script
    result = qwen("chat", stdin="Hello\nGood evening\n")

    assert result.exit_code == 0
    assert result.stdout == "1: Good evening\n"
    assert "the queue is full (UNAVAILABLE)" in result.stderr


def test_errors_are_one_line() -> None:
    Path("schema.json").write_text("{")
    assert_fails_on_one_line(qwen("chat", "Hello", "--json-schema", "schema.json"), "schema.json is not JSON")
    assert_fails_on_one_line(qwen("chat", "Hello", "--json-schema", "nothing.json"), "nothing.json")
    assert_fails_on_one_line(qwen("chat", "--json"), "--json is for one answer")
