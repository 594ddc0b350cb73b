"""`client.chat` against a scripted server, by both clients."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from client_scripts import ENDING, event
from fake_triton import FakeTriton, Payloads

from qwen_client import AsyncClient, Cancelled, ChatDelta, Client, ServerError, Usage

SCHEMA = {"type": "object", "properties": {"colour": {"type": "string"}}}
TALK = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Hello"},
    {"role": "assistant", "content": "Good morning."},
    {"role": "user", "content": "Grüße 你好"},
]


def answering(text: str, **ending: Any) -> Any:
    def script(_: Payloads) -> Iterator[Payloads]:
        yield {"text_output": text.encode(), "EVENT": event(0, "text")}
        usage = {"prompt_tokens": 3, "cached_tokens": 0, "completion_tokens": 1}
        yield {"text_output": b"", "EVENT": event(1, "end", **{**ENDING, "usage": usage, **ending})}

    return script


def options(triton: FakeTriton) -> list[dict[str, Any]]:
    return [json.loads(request.inputs["OPTIONS"]) for request in triton.received]


def test_an_answer_is_all_its_pieces(client: Client, triton: FakeTriton) -> None:
    answer = client.chat.complete("Good morning everyone")

    assert (answer.text, answer.thinking, answer.finish_reason) == ("1: Good morning everyone", "", "stop")
    assert answer.usage == Usage(prompt_tokens=12, cached_tokens=8, completion_tokens=4)
    assert answer.message == {"role": "assistant", "content": answer.text}
    assert answer.request_id == triton.received[0].request_id != ""
    assert triton.received[0].inputs["text_input"] == b""


def test_conversations_and_options_are_sent_as_they_are(client: Client, triton: FakeTriton) -> None:
    client.chat.complete(TALK)
    client.chat.complete("Hi", system="Be brief.", seed=None, thinking=False, stop=())
    client.chat.complete(
        "Hi", json_schema=SCHEMA, max_tokens=9, temperature=0.0, top_k=3, top_p=0.5, seed=4, stop=["x"], thinking=True
    )

    plain, with_system, full = options(triton)
    hello = {"role": "user", "content": "Hi"}
    assert plain == {"messages": TALK}
    assert with_system == {"messages": [{"role": "system", "content": "Be brief."}, hello]}
    assert full == {
        "messages": [hello],
        "thinking": True,
        "json_schema": SCHEMA,
        "max_tokens": 9,
        "temperature": 0.0,
        "top_k": 3,
        "top_p": 0.5,
        "seed": 4,
        "stop": ["x"],
    }


def test_thinking_is_apart(client: Client) -> None:
    answer = client.chat.complete("Hello", thinking=True)
    assert (answer.thinking, answer.text) == ("Let me see.", "1: Hello")
    with client.chat.stream("Hello", thinking=True) as deltas:
        assert list(deltas)[:3] == [
            ChatDelta("thinking", "Let me ", 0),
            ChatDelta("thinking", "see.", 1),
            ChatDelta("text", "1: ", 2),
        ]
    assert deltas.finish_reason == "stop"


def test_both_clients_say_the_same(triton: FakeTriton, client: Client) -> None:
    async def ask() -> tuple[Any, list[ChatDelta]]:
        async with AsyncClient(triton.address) as connected:
            async with connected.chat.stream("Good evening") as deltas:
                pieces = [delta async for delta in deltas]
            return await connected.chat.complete("Good evening"), pieces

    answer, pieces = asyncio.run(ask())
    assert answer == client.chat.complete("Good evening")
    assert "".join(piece.text for piece in pieces) == answer.text


def test_json_is_read_or_told_to_be_cut(client: Client, triton: FakeTriton) -> None:
    triton.scripts["qwen3_chat"] = answering('{"colour": "red"}')
    assert client.chat.complete("Hello", json_schema=SCHEMA).json() == {"colour": "red"}

    triton.scripts["qwen3_chat"] = answering('{"colour": "r', finish_reason="length")
    cut = client.chat.complete("Hello", json_schema=SCHEMA)
    with pytest.raises(ServerError, match=r"the answer is not JSON .*finish_reason 'length'"):
        cut.json()


def test_what_the_server_gave_up_is_no_answer(client: Client, triton: FakeTriton) -> None:
    def script(_: Payloads) -> Iterator[Payloads]:
        ending = {**ENDING, "finish_reason": "cancelled"}
        yield {"text_output": b"", "EVENT": event(0, "end", **ending)}

    triton.scripts["qwen3_chat"] = script
    with pytest.raises(Cancelled):
        client.chat.complete("Hello")


def test_leaving_early_cancels(client: Client, triton: FakeTriton) -> None:
    def script(_: Payloads) -> Iterator[Payloads]:
        yield {"text_output": b"Good", "EVENT": event(0, "text")}
        triton.cancelled.wait()

    triton.scripts["qwen3_chat"] = script
    with client.chat.stream("Hello") as deltas:
        assert next(deltas).text == "Good"
    assert triton.cancelled.wait(10)
