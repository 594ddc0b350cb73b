"""Texts and JSON that cannot be sent, or read, are the caller's mistake: told by name, never a traceback."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command_line import assert_fails_on_one_line, qwen
from fake_triton import FakeTriton

from qwen_client import Client, InvalidRequest
from qwen_client.texts import json_bytes, read_json

HALF = "half a pair: \ud83d."
DEEP = "[" * 100_000


@pytest.mark.parametrize(
    "send",
    [
        lambda client: client.tts.synthesize(HALF),
        lambda client: client.asr.align(b"RIFF", HALF),
        lambda client: client.image.generate(HALF),
        lambda client: client.vision.describe(b"file", HALF),
        lambda client: client.charts.draw({"type": "bar", "title": HALF}),
        lambda client: client.chains.run({"nodes": {"said": {"model": HALF}}}),
    ],
)
def test_half_a_character_is_refused_before_it_is_sent(client: Client, triton: FakeTriton, send: Callable) -> None:
    with pytest.raises(InvalidRequest, match=r"is not valid Unicode: '\\ud83d' at \d+"):
        send(client)
    assert triton.received == []


@pytest.mark.parametrize("value", [{1, 2}, object(), {(1, 2): 3}])
def test_what_is_no_json_is_named(value: Any) -> None:
    with pytest.raises(InvalidRequest, match="inputs: not JSON"):
        json_bytes(value, "inputs")


def test_a_circle_and_what_is_nested_too_deeply_are_no_json() -> None:
    circle: list[Any] = []
    circle.append(circle)
    with pytest.raises(InvalidRequest, match="inputs: not JSON"):
        json_bytes(circle, "inputs")
    for text in (DEEP, "{", b"\xff", '{"a": 1} x'):
        with pytest.raises(InvalidRequest, match="schema is not JSON"):
            read_json(text, "schema")


@pytest.mark.usefixtures("command_line")
def test_commands_tell_a_deep_file_on_one_line() -> None:
    Path("deep.json").write_text(DEEP)
    assert_fails_on_one_line(qwen("chat", "Hello", "--json-schema", "deep.json"), "deep.json is not JSON")
    assert_fails_on_one_line(qwen("chart", "deep.json", "-o", "x.png"), "deep.json is not JSON")
