"""The chat engine at its own door: streams, stop words, thinking, JSON by schema, kept prefixes, limits, cancelling."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from qwen_engine.chat.engine import ChatEngine
from qwen_engine.chat.grammar import Grammar, Guard
from qwen_engine.chat.reading import read_request
from qwen_engine.chat.request import ChatRequest
from qwen_engine.errors import Internal, InvalidRequest
from qwen_engine.loop import EngineLoop
from qwen_engine.options import ChatOptions
from qwen_engine.settings import ChatSettings
from tests.chat_checkpoints import write_random_chat
from tests.recorder import WAIT_S, Recorder, run, submit

SYSTEM = "You are a voice assistant. Answer in one or two short plain sentences that can be read aloud."
HELLO = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": "Good morning"}]
SCHEMAS = Path(__file__).resolve().parents[2] / "engine/qwen_engine/chains/schemas"


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def chat_settings(tmp_path_factory) -> ChatSettings:
    folder = write_random_chat(tmp_path_factory.mktemp("chat"), do_sample=True, temperature=0.7, top_k=20, top_p=0.9)
    return ChatSettings(checkpoint=str(folder), max_batch=4, max_positions=512, max_prompt_chars=2000, temperature=0.0)


@pytest.fixture(scope="module")
def engine(chat_settings) -> ChatEngine:
    return ChatEngine(chat_settings)


@pytest.fixture(scope="module")
def asked(chat_settings, engine):
    """A request for `messages` (or a `text`) with these options."""

    def ask(messages: Any = HELLO, *, text: str = "", **options: Any) -> ChatRequest:
        fields = {"max_tokens": 40, **options} | ({} if text else {"messages": messages})
        return read_request(text, ChatOptions.model_validate_json(json.dumps(fields)), chat_settings, engine.checkpoint)

    return ask


def text_of(sink: Recorder, kind: str = "text") -> str:
    return "".join(delta.text for delta in sink.events if delta.kind == kind)


def test_what_is_not_asked_for_comes_from_the_profile_then_the_checkpoint(asked):
    plain = asked().sampling
    assert (plain.temperature, plain.top_k, plain.top_p) == (0.0, 20, 0.9)
    wished = asked(temperature=1.2, top_k=0, top_p=0.5).sampling
    assert (wished.temperature, wished.top_k, wished.top_p) == (1.2, 0, 0.5)


def test_an_answer_whole_is_its_pieces(engine, asked):
    pieces, whole = run(engine, asked(temperature=0.9, seed=2), asked(temperature=0.9, seed=2, stream=False))
    assert len(pieces.events) > 10
    assert [delta.text for delta in whole.events] == [text_of(pieces)]
    assert pieces.closing["usage"] == whole.closing["usage"]


def test_a_stop_word_is_never_shown_wherever_tokens_end(engine, asked):
    (plain,) = run(engine, asked())
    text = text_of(plain)
    for start, length in ((3, 2), (10, 1), (14, 9), (20, 5)):
        word = text[start : start + length]
        (sink,) = run(engine, asked(stop=["never", word]))
        assert text_of(sink) == text[: text.index(word)]
        assert sink.outcome() == "stop"


def test_an_answer_that_stops_at_once_is_an_empty_text(engine, asked):
    (plain,) = run(engine, asked())
    streamed, whole = run(engine, asked(stop=[text_of(plain)[0]]), asked(stop=[text_of(plain)[0]], stream=False))
    assert streamed.events == []
    assert [delta.text for delta in whole.events] == [""]


def test_a_second_conversation_with_the_same_system_prompt_reads_only_the_rest(chat_settings, asked, monkeypatch):
    engine = ChatEngine(chat_settings)
    read: list[int] = []
    prefill = engine.checkpoint.language_model.prefill

    def counting(prompts, first_row, start=0):
        read.extend(len(prompt) for prompt in prompts)
        prefill(prompts, first_row, start)

    monkeypatch.setattr(engine.checkpoint.language_model, "prefill", counting)
    others = [[HELLO[0], {"role": "user", "content": text}] for text in ("Good evening", "Thank you, Anna")]
    requests = [asked(), *(asked(messages) for messages in others), asked()]
    known = [run(engine, request)[0] for request in requests]
    cached = [sink.closing["usage"]["cached_tokens"] for sink in known]
    assert cached[0] == 0
    assert min(cached[1:]) > 32
    assert read == [len(request.prompt) - many for request, many in zip(requests, cached, strict=True)]
    for sink, request in zip(known, requests, strict=True):
        (anew,) = run(ChatEngine(chat_settings.model_copy(update={"max_cached_positions": 0})), request)
        assert anew.closing["usage"]["cached_tokens"] == 0
        assert anew.events == sink.events


def test_the_next_turn_reads_no_earlier_turn(engine, asked):
    (first,) = run(engine, asked())
    turns = [*HELLO, {"role": "assistant", "content": text_of(first)}, {"role": "user", "content": "Thank you"}]
    (second,) = run(engine, asked(turns))
    usage = second.closing["usage"]
    assert usage["cached_tokens"] >= first.closing["usage"]["prompt_tokens"] - 16
    assert usage["prompt_tokens"] > usage["cached_tokens"]


@pytest.mark.parametrize("name", ["minutes", "storyboard", "lesson", "advert"])
def test_the_chains_schemas_are_kept_to(engine, asked, name):
    schema = json.loads((SCHEMAS / f"{name}.json").read_text())
    requests = [asked(json_schema=schema, temperature=1.0, seed=seed, max_tokens=300) for seed in range(3)]
    for sink in run(engine, *requests):
        assert text_of(sink).startswith("{")
        if sink.outcome() == "stop":
            jsonschema.validate(json.loads(text_of(sink)), schema)


LEAVES = st.one_of(
    st.sampled_from([{"type": "integer", "minimum": 0, "maximum": 99}, {"type": "boolean"}, {"type": "null"}]),
    st.lists(st.sampled_from(["red", "green", "早上好", 'a "b"']), min_size=1, unique=True).map(lambda e: {"enum": e}),
    st.integers(0, 6).map(lambda most: {"type": "string", "maxLength": most}),
    st.just({"type": "string", "pattern": "^[0-9]{2}:[0-9]{2}$"}),
)


def objects(parts: st.SearchStrategy) -> st.SearchStrategy:
    properties = st.dictionaries(st.sampled_from(["a", "b c", "日"]), parts, min_size=1, max_size=3)
    return properties.map(
        lambda named: {
            "type": "object",
            "properties": named,
            "required": sorted(named)[:2],
            "additionalProperties": False,
        }
    )


def arrays(parts: st.SearchStrategy) -> st.SearchStrategy:
    return parts.map(lambda items: {"type": "array", "items": items, "maxItems": 2})


def choices(parts: st.SearchStrategy) -> st.SearchStrategy:
    return st.lists(parts, min_size=1, max_size=2).map(lambda several: {"anyOf": several})


SCHEMA = st.recursive(LEAVES, lambda parts: st.one_of(objects(parts), arrays(parts), choices(parts)), max_leaves=5)


@settings(max_examples=25)
@given(st.lists(SCHEMA, min_size=1, max_size=4), st.integers(0, 9))
def test_whatever_is_drawn_is_json_of_its_schema(engine, asked, schemas, seed):
    """Several at once, each with a schema of its own, among answers without one."""
    requests = [
        asked(json_schema=one, temperature=1.3, top_k=0, top_p=1.0, seed=seed, max_tokens=150) for one in schemas
    ]
    for sink, schema in zip(run(engine, *requests, asked(max_tokens=9)), schemas, strict=False):
        if sink.outcome() == "stop":
            jsonschema.validate(json.loads(text_of(sink)), schema)


def test_json_is_whole_also_where_the_model_thinks_first(engine, asked):
    request = asked(thinking=True, json_schema={"enum": ["red", "green"]}, max_tokens=200)
    tokens = engine.checkpoint.tokens
    assert request.thinking
    assert request.prompt[-1] == tokens.think
    ended = replace(request, prompt=[*request.prompt, tokens.end_of_think], thinking=False)
    (sink,) = run(engine, ended)
    assert json.loads(text_of(sink)) in ("red", "green")


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        ({"type": "objct"}, "Invalid type: objct"),
        ({"not": {"type": "null"}}, 'Unimplemented keys: ["not"]'),
        ({"type": "array", "uniqueItems": True}, 'Unimplemented keys: ["uniqueItems"]'),
        ({"type": "string", "pattern": "(?=a)"}, "regex parse error"),
        ({"$ref": "http://example.com/schema"}, "not present in a registry"),
        ({"type": "integer", "minimum": 5, "maximum": 3}, "Unsatisfiable schema"),
        ({"type": "string", "description": "x" * 50_000}, "the limit is 50000"),
    ],
)
def test_a_schema_that_cannot_be_kept_to_is_refused(asked, schema, told):
    with pytest.raises(InvalidRequest, match=r"OPTIONS\.json_schema") as caught:
        asked(json_schema=schema)
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"messages": []}, "OPTIONS.messages is empty"),
        ({"messages": [{"role": "assistant", "content": "Hello"}]}, "the last one must be the user's"),
        ({"text": "Hello", "thinking": True}, "OPTIONS.thinking is true"),
        ({"text": "Hello " * 400}, "the prompt has 2400 characters; the limit is 2000"),
    ],
)
def test_a_prompt_that_cannot_be_answered_is_refused(asked, options, told):
    with pytest.raises(InvalidRequest, match=told):
        asked(**options)


def test_text_or_messages(chat_settings, engine):
    messages = ChatOptions.model_validate_json(json.dumps({"messages": HELLO}))
    with pytest.raises(InvalidRequest, match="both given"):
        read_request("Hello", messages, chat_settings, engine.checkpoint)
    with pytest.raises(InvalidRequest, match="text_input is empty"):
        read_request("", ChatOptions(), chat_settings, engine.checkpoint)


def test_a_prompt_that_leaves_no_room_is_refused_and_a_long_answer_ends_where_the_room_does(engine, asked):
    (refused,) = run(engine, asked(text="é😀" * 300))
    assert isinstance(refused.outcome(), InvalidRequest)
    assert "the limit for it and its answer is 512" in str(refused.outcome())
    (sink,) = run(engine, asked(text="Good morning", max_tokens=100_000, temperature=1.5, top_k=0, top_p=1.0))
    usage = sink.closing["usage"]
    assert sink.outcome() == "stop" or usage["prompt_tokens"] + usage["completion_tokens"] == 512


def test_cancelling_ends_between_two_tokens_and_frees_the_row(engine, asked):
    loop = EngineLoop(engine, max_queue=32, max_wait_s=WAIT_S)
    sessions: list[Any] = []
    cancelled = Recorder(on_event=lambda _: sessions[0].cancel())
    mate = Recorder()
    sessions += loop.submit([(asked(max_tokens=400), cancelled), (asked(max_tokens=60, seed=4, temperature=1.0), mate)])
    assert cancelled.outcome() == "cancelled"
    assert len(cancelled.events) < 5
    sinks, _ = submit(loop, [asked(max_tokens=60, seed=4, temperature=1.0)] * 6)
    assert {text_of(sink) for sink in sinks if sink.outcome()} == {text_of(mate)}
    loop.close(WAIT_S)


class FailingGrammar(Grammar):
    """Its answers cannot go on after two tokens."""

    def begin(self) -> Guard:
        guard, taken = super().begin(), []

        def take(token: int) -> None:
            taken.append(token)
            if len(taken) == 2:
                raise InvalidRequest("OPTIONS.json_schema cannot be followed: it is too large")

        guard.take = take
        return guard


def test_an_answer_that_fails_fails_alone(engine, asked):
    schema = {"type": "array", "items": {"enum": ["red", "green"]}, "minItems": 9}
    mates = [asked(), asked(json_schema=schema, max_tokens=200)]
    expected = [text_of(sink) for sink in run(engine, *mates)]
    bad = replace(mates[1], grammar=FailingGrammar(mates[1].grammar._matcher))
    *good, failed = run(engine, *mates, bad)
    assert isinstance(failed.outcome(), InvalidRequest)
    assert [text_of(sink) for sink in good] == expected


def test_a_prompt_that_cannot_be_read_fails_alone(chat_settings, asked, monkeypatch):
    engine = ChatEngine(chat_settings)
    model = engine.checkpoint.language_model
    texts = ("Good evening", "Thank you, Anna", "Please call Ben", "Good morning")
    requests = [asked(text=text, max_tokens=8) for text in texts]
    alone = [run(ChatEngine(chat_settings), request)[0].events for request in requests]
    bad, prefill = requests[1].prompt, model.prefill

    def choking(prompts, first_row, start=0):
        embedded = model.embed(bad)
        if any(len(prompt) == len(bad) and torch.equal(prompt, embedded) for prompt in prompts):
            raise RuntimeError("out of memory")
        prefill(prompts, first_row, start)

    monkeypatch.setattr(model, "prefill", choking)
    sinks = run(engine, *requests)
    assert [sink.outcome() for number, sink in enumerate(sinks) if number != 1] == ["length"] * 3
    assert isinstance(sinks[1].outcome(), Internal)
    assert [sink.events for sink in sinks] == [alone[0], [], alone[2], alone[3]]
