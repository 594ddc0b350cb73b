"""JSON from people who mean harm: it is refused in a short message, quickly, as the caller's mistake."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen_engine.chains.workflow.graph import read_graph
from qwen_engine.chat.settings import ChatSettings
from qwen_wire import json_text, options
from qwen_wire.charts import parse_chart
from qwen_wire.errors import MAX_MESSAGE_BYTES, InvalidRequest
from qwen_wire.json_text import MAX_BYTES, MAX_LEVELS, MAX_VALUES, read_json, shown
from qwen_wire.options import (
    MAX_OPTIONS_BYTES,
    MAX_OPTIONS_VALUES,
    ChainOptions,
    Options,
    VoiceChatOptions,
    WorkflowOptions,
    parse_options,
)

MANY = 20_000
LONG = 1_000_000
GENEROUS_S = 10.0  # of this thread's processor time: each takes a few hundredths of a second


def schemas() -> list[type[Options]]:
    """All that there are, however deep in the tree of classes."""
    found: list[type[Options]] = []
    waiting: list[type[Options]] = [Options]
    while waiting:
        found.append(waiting.pop())
        waiting += found[-1].__subclasses__()
    return found


SCHEMAS = schemas()


def nested(levels: int) -> str:
    return "[" * levels + "]" * levels


def field_of(schema: type[Options]) -> str:
    return "seed" if "seed" in schema.model_fields else "input_encoding"


HOSTILE = {
    "many unknown keys": lambda field: json.dumps({f"key{number}": number for number in range(MANY)}),
    "a long key": lambda field: json.dumps({"k" * LONG: 1}),
    "a long key of wide characters": lambda field: json.dumps({"早" * LONG: 1}, ensure_ascii=False),
    "keys of control characters": lambda field: json.dumps({"\0\n\x1b[31m" * 50: 1}),
    "a long value": lambda field: json.dumps({field: "v" * LONG}),
    "a long list": lambda field: json.dumps({field: [1] * (LONG // 4)}),
    "many wrong items": lambda field: json.dumps({field: [{"x": 1}] * MANY, "messages": [{"x": 1}] * MANY}),
    "deep": lambda field: nested(200_000),
    "deep in a field": lambda field: f'{{"{field}": {nested(200_000)}}}',
    "as deep as is read": lambda field: f'{{"{field}": {nested(MAX_LEVELS - 1)}}}',
    "a little deeper": lambda field: f'{{"{field}": {nested(MAX_LEVELS)}}}',
    "deep objects": lambda field: '{"a":' * 100_000,
    "an exponent above all floats": lambda field: f'{{"{field}": 1e400}}',
    "a number of many digits": lambda field: f'{{"{field}": {"9" * 4000}}}',
    "a number of more digits": lambda field: f'{{"{field}": {"9" * 100_000}}}',
    "no number": lambda field: f'{{"{field}": NaN}}',
    "infinity": lambda field: f'{{"{field}": -Infinity}}',
    "half a pair": lambda field: f'{{"{field}": "\\ud800"}}',
    "half a pair as key": lambda field: '{"\\udc00": 1}',
    "a NUL": lambda field: f'{{"{field}": "\\u0000"}}',
    "a bare NUL": lambda field: f'{{"{field}": "\0"}}',
    "a byte order mark": lambda field: "\ufeff{}",
    "the same key often": lambda field: "{" + ",".join([f'"{field}": "{{}}"'] * MANY) + "}",
    "unfinished": lambda field: f'{{"{field}": "' + "v" * LONG,
}


def refused(read) -> str:
    """The message with which `read()` refuses, which has to come soon and to be short."""
    began_s = time.thread_time()
    with pytest.raises(InvalidRequest) as caught:
        read()
    assert time.thread_time() - began_s < GENEROUS_S
    message = str(caught.value)
    assert message
    assert len(message.encode()) <= MAX_MESSAGE_BYTES + 20
    assert "\0" not in message
    return message


@pytest.mark.parametrize("hostile", HOSTILE)
@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda schema: schema.__name__)
def test_options_are_refused_in_a_short_message(schema, hostile):
    payload = HOSTILE[hostile](field_of(schema)).encode(errors="surrogatepass")
    assert "OPTIONS" in refused(lambda: parse_options(schema, payload))


@pytest.mark.parametrize("hostile", HOSTILE)
def test_workflows_and_charts_are_refused_in_a_short_message(hostile):
    payload = HOSTILE[hostile]("nodes").encode(errors="surrogatepass")
    assert "WORKFLOW" in refused(lambda: read_graph(payload, "WORKFLOW"))
    assert "CHART" in refused(lambda: parse_chart(payload))
    if hostile not in ("deep", "deep objects", "unfinished"):
        chart = payload.replace(b'"nodes"', b'"type": "bar", "categories"').replace(b'{"key0"', b'{"type": "bar", "k"')
        refused(lambda: parse_chart(chart))


def test_unknown_keys_are_counted_and_the_known_ones_told_once():
    payload = json.dumps({f"key{number}": 1 for number in range(MANY)}).encode()
    message = refused(lambda: parse_options(options.AsrOptions, payload))
    assert message.startswith("OPTIONS.key0 is unknown; OPTIONS.key1 is unknown; ")
    assert "; and 19995 more; allowed: input_encoding" in message
    assert message.count("allowed") == 1


@pytest.mark.parametrize("field", ["inputs", "resume"])
def test_what_a_schema_leaves_open_is_bounded_too(field):
    for told, value in (("nested more than", nested(MAX_LEVELS)), ("a number that is too large", "[[1e999]]")):
        assert told in refused(lambda value=value: parse_options(WorkflowOptions, f'{{"{field}": {value}}}'.encode()))
    assert parse_options(ChainOptions, f'{{"inputs": {{"a": {nested(MAX_LEVELS - 3)}}}}}'.encode()).inputs


def test_more_bytes_than_are_read_are_refused_unread():
    assert f"the limit is {MAX_BYTES}" in refused(lambda: read_json(b" " * (MAX_BYTES + 1), "OPTIONS"))


@pytest.mark.parametrize("value", ["1", "[]", "{}", '"a"', '"\\\\\\""', "null"])
def test_more_values_than_are_read_are_refused_before_one_is_made(monkeypatch, value):
    def listed(count: int) -> bytes:
        return f'{{"a": [{",".join([value] * count)}]}}'.encode()

    assert len(read_json(listed(MAX_VALUES - 2), "X")["a"]) == MAX_VALUES - 2
    monkeypatch.setattr(json_text, "from_json", None)
    assert "X has more than 250000 values" in refused(lambda: read_json(listed(MAX_VALUES - 1), "X"))


def test_signs_within_texts_are_no_values():
    text = '[{,"\\' * MAX_VALUES
    assert read_json(json.dumps([text, text]), "X") == [text, text]
    assert "X is not JSON" in refused(lambda: read_json('["' + text.replace('"', ""), "X"))


def test_options_of_a_model_are_bounded_more_closely_than_those_of_a_chain():
    long = json.dumps({"inputs": {"a": "x" * MAX_OPTIONS_BYTES}}).encode()
    assert parse_options(ChainOptions, long).inputs
    for schema in (options.ChatOptions, VoiceChatOptions):
        assert f"the limit is {MAX_OPTIONS_BYTES}" in refused(lambda schema=schema: parse_options(schema, long))
    many = json.dumps({"inputs": {"a": [1] * MAX_OPTIONS_VALUES}}).encode()
    assert parse_options(ChainOptions, many).inputs
    assert "has more than 50000 values" in refused(lambda: parse_options(options.ChatOptions, many))


def test_the_longest_prompt_has_room_escaped():
    messages = [{"role": "user", "content": "早" * ChatSettings(checkpoint="x").max_prompt_chars}]
    assert parse_options(options.ChatOptions, json.dumps({"messages": messages}).encode()).messages


def test_voices_chats_and_workflows_are_among_the_schemas():
    assert {options.ChatOptions, VoiceChatOptions, WorkflowOptions} <= set(SCHEMAS)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda parts: st.lists(parts) | st.dictionaries(st.text(), parts),
    max_leaves=30,
)


@given(VALUES)
def test_any_value_is_shown_in_a_few_words(value):
    assert 0 < len(shown(value)) <= 80


def test_a_value_of_any_size_is_shown_at_once():
    deep: list = []
    for _ in range(100_000):
        deep = [deep]
    began_s = time.thread_time()
    for value in (deep, [1] * LONG, "x" * LONG, 10**4000, {"k" * LONG: 1}, (1,) * LONG):
        assert len(shown(value)) <= 80
    assert time.thread_time() - began_s < GENEROUS_S
