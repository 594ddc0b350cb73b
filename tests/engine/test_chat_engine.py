"""The chat engine at its own door: streams, stop words, thinking, JSON by schema, kept prefixes, limits, cancelling."""

import json
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import psutil
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from qwen_engine.chat.engine import ChatEngine
from qwen_engine.chat.request import ChatRequest
from qwen_engine.chat.request_reader import read_request
from qwen_engine.chat.settings import ChatSettings
from qwen_engine.chat.tokens import PRIVATE_USE
from qwen_engine.language_model import LanguageModel
from qwen_engine.loop import EngineLoop
from qwen_engine.messages import Caller
from qwen_wire.errors import InvalidRequest, ServerError
from qwen_wire.options import ChatOptions
from tests.chat_checkpoints import write_random_chat
from tests.graph_capture import record
from tests.recorder import WAIT_S, Recorder, run, submit

SYSTEM = "You are a voice assistant. Answer in one or two short plain sentences that can be read aloud."
HELLO = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": "Good morning"}]
SCHEMAS = Path(__file__).resolve().parents[2] / "engine/qwen_engine/chains/tasks/schemas"


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


@pytest.mark.parametrize("options", [{"top_p": 0.0}, {"top_k": 1}, {"temperature": 1e-40}, {"temperature": 0.0}])
def test_whatever_leaves_the_likeliest_token_alone_is_greedy(engine, asked, options):
    greedy, *drawn = run(engine, asked(), *(asked(**{"temperature": 1.5, **options}, seed=seed) for seed in range(3)))
    assert {text_of(sink) for sink in drawn} == {text_of(greedy)}


def test_all_tokens_are_said_in_two_ways(engine, asked):
    none, all_tokens, some = (
        text_of(run(engine, asked(temperature=1.5, top_k=top_k, top_p=1.0, seed=3))[0]) for top_k in (0, -1, 5)
    )
    assert none == all_tokens != some


def test_an_answer_is_as_long_as_is_asked_for(engine, asked):
    short, long = run(engine, asked(temperature=1.5, top_k=0, seed=5), asked(temperature=1.5, top_k=0, min_tokens=200))
    assert short.closing["usage"]["completion_tokens"] <= 40
    assert long.closing["usage"]["completion_tokens"] == 40
    assert long.outcome() == "length"


def test_a_schema_ends_where_it_ends_whatever_the_least_length(engine, asked):
    (sink,) = run(engine, asked(json_schema={"const": [1]}, min_tokens=30))
    assert json.loads(text_of(sink)) == [1]
    assert sink.outcome() == "stop"


def test_an_end_token_of_the_caller_ends_the_answer(engine, asked):
    (plain,) = run(engine, asked())
    tokens = engine.checkpoint.tokens
    word = text_of(plain).split()[2]
    end_ids = frozenset(
        token for token in range(1400) if tokens.bytes_of(token).decode(errors="replace").strip() == word
    )
    cut, on = run(engine, replace(asked(), end_ids=end_ids), replace(asked(), end_ids=end_ids, min_tokens=40))
    assert text_of(cut).rstrip("\ufffd ") == text_of(plain)[: text_of(plain).index(word)].rstrip("\ufffd ")
    assert cut.outcome() == "stop"
    assert word not in text_of(on)
    assert on.closing["usage"]["completion_tokens"] == 40


def test_others_go_on_while_a_schema_takes_its_time(engine, asked):
    """Its process is stopped in the middle: the row sits out, and goes on as if nothing had been."""
    schema = {"type": "array", "items": {"enum": ["red", "green"]}, "minItems": 9}
    slow, mate = asked(json_schema=schema, max_tokens=200), asked(max_tokens=300, temperature=1.0, seed=4)
    expected = [(sink.outcome(), text_of(sink)) for sink in run(engine, slow, mate)]
    parent = psutil.Process(engine.checkpoint.grammars._grammar_states._parent._process.pid)
    told_of_mate: list[int] = []

    def stop_the_guard(_: Any) -> None:
        if len(slow_sink.events) == 5:
            for child in parent.children():
                child.suspend()

    def go_on(_: Any) -> None:
        told_of_mate.append(len(slow_sink.events))
        if told_of_mate.count(told_of_mate[-1]) == 20:
            for child in parent.children():
                child.resume()

    slow_sink, mate_sink = Recorder(on_event=stop_the_guard), Recorder(on_event=go_on)
    loop = EngineLoop(engine, max_queue=32, max_wait_s=WAIT_S)
    loop.submit([(slow, slow_sink), (mate, mate_sink)])
    assert [(sink.outcome(), text_of(sink)) for sink in (slow_sink, mate_sink)] == expected
    assert max(map(told_of_mate.count, told_of_mate)) >= 20
    loop.close(WAIT_S)


def test_nothing_of_a_schema_is_left_when_its_answer_has_ended(engine, asked):
    schema = {"type": "array", "items": {"type": "string"}, "minItems": 50}
    parent = psutil.Process(engine.checkpoint.grammars._grammar_states._parent._process.pid)
    loop = EngineLoop(engine, max_queue=32, max_wait_s=WAIT_S)
    sessions: list[Any] = []
    sink = Recorder(on_event=lambda _: sessions[0].cancel())
    sessions += loop.submit([(asked(json_schema=schema, max_tokens=400), sink)])
    assert sink.outcome() == "cancelled"
    loop.close(WAIT_S)
    end_s = time.monotonic() + WAIT_S
    while parent.children():
        assert time.monotonic() < end_s
        time.sleep(0.01)


def test_pieces_tell_of_the_tokens_since_the_last_one(engine, asked):
    (sink,) = run(engine, asked(temperature=0.9, seed=2))
    assert len(sink.events) > 10
    assert all(delta.num_tokens > 0 for delta in sink.events[:-1])  # the last one may be what was held back
    assert sum(delta.num_tokens for delta in sink.events) <= sink.closing["usage"]["completion_tokens"] == 40


def test_a_stop_word_is_never_shown_wherever_tokens_end(engine, asked):
    (plain,) = run(engine, asked())
    text = text_of(plain)
    for start, length in ((3, 2), (10, 1), (14, 9), (20, 5)):
        word = text[start : start + length]
        (sink,) = run(engine, asked(stop=["never", word]))
        assert text_of(sink) == text[: text.index(word)]
        assert sink.outcome() == "stop"


def test_an_answer_that_stops_at_once_is_empty(engine, asked):
    (plain,) = run(engine, asked())
    (sink,) = run(engine, asked(stop=[text_of(plain)[0]]))
    assert sink.events == []
    assert sink.outcome() == "stop"


@pytest.fixture
def read(monkeypatch) -> list[int]:
    """How many tokens of each prompt were read, of all engines."""
    read: list[int] = []
    prefill = LanguageModel.prefill

    def counting(model, prompts, first_row, start=0):
        read.extend(len(prompt) for prompt in prompts)
        prefill(model, prompts, first_row, start)

    monkeypatch.setattr(LanguageModel, "prefill", counting)
    return read


def test_a_second_conversation_with_the_same_system_prompt_reads_only_the_rest(chat_settings, asked, read):
    engine = ChatEngine(chat_settings)
    system = {"role": "system", "content": SYSTEM * 3}
    others = [[system, {"role": "user", "content": text}] for text in ("Hello", "Good evening", "Thank you, Anna")]
    requests = [*map(asked, others), asked(others[0])]
    known = [run(engine, request)[0] for request in requests]
    cached = [len(request.prompt) - many for request, many in zip(requests, read, strict=True)]
    assert cached[0] == 0
    assert min(cached[1:]) > 128
    told = [sink.closing["usage"]["cached_tokens"] for sink in known]
    assert told == [many // 128 * 128 for many in cached]  # so nobody finds out where a guess goes wrong
    for sink, request in zip(known, requests, strict=True):
        (anew,) = run(ChatEngine(chat_settings.model_copy(update={"max_cached_positions": 0})), request)
        assert anew.closing["usage"]["cached_tokens"] == 0
        assert anew.events == sink.events


def test_what_one_tenant_has_sent_makes_no_other_s_answer_quicker(chat_settings, asked, read):
    engine = ChatEngine(chat_settings)
    loop = EngineLoop(engine, max_queue=8, max_wait_s=WAIT_S)
    events = []
    for tenant in ("one", "two", "one", "two"):
        sink = Recorder()
        loop.submit([(asked(), sink)], Caller(tenant))
        assert sink.outcome() in ("stop", "length")
        events.append(sink.events)
    loop.close(WAIT_S)
    length = len(asked().prompt)
    assert read[:2] == [length, length]
    assert read[2] == read[3] < length - 16
    assert events == [events[0]] * 4


LONG = [{"role": "user", "content": "Good morning, " * 60}]


def test_a_long_prompt_is_read_in_parts_and_others_go_on_meanwhile(chat_settings, asked, read):
    short, long = asked(text="Good morning", max_tokens=3), asked(LONG, max_tokens=8)
    alone = [run(ChatEngine(chat_settings), request)[0].events for request in (short, long)]
    read.clear()
    engine = ChatEngine(chat_settings.model_copy(update={"max_step_positions": 32, "max_cached_positions": 0}))
    first, second = run(engine, long, short)
    assert [first.events, second.events] == [alone[1], alone[0]]
    assert max(read) <= 32 < len(long.prompt) / 4
    assert sum(read) == len(long.prompt) + len(short.prompt)
    assert second.closing["timings"]["total_s"] < first.closing["timings"]["first_event_s"]


def test_long_prompts_take_turns_with_as_many_others_as_there_are_places(chat_settings, asked):
    requests = [asked([{"role": "user", "content": f"{number}, " * 100}], max_tokens=8) for number in range(4)]
    mixed = [request for pair in zip(requests, [asked(max_tokens=30)] * 4, strict=True) for request in pair]
    alone = [run(ChatEngine(chat_settings), request)[0].events for request in mixed]
    for capture in (None, record):
        engine = ChatEngine(chat_settings.model_copy(update={"max_step_positions": 32}), capture)
        for _ in range(2):  # the second time, they are known
            assert [sink.events for sink in run(engine, *mixed)] == alone


def tee(function: Any, told: Any) -> Any:
    """`function`, and `told` of each call once it is done."""

    def both(*given: Any) -> Any:
        done = function(*given)
        told()
        return done

    return both


def test_a_long_prompt_that_nobody_waits_for_is_not_read_on(chat_settings, asked, read, monkeypatch):
    engine = ChatEngine(chat_settings.model_copy(update={"max_step_positions": 16}))
    loop = EngineLoop(engine, max_queue=8, max_wait_s=WAIT_S)
    sink, request = Recorder(), asked(LONG)
    reading = threading.Event()
    monkeypatch.setattr(LanguageModel, "prefill", tee(LanguageModel.prefill, reading.set))
    (session,) = loop.submit([(request, sink)])
    reading.wait(WAIT_S)
    session.cancel()
    assert sink.outcome() == "cancelled"
    assert sum(read) < len(request.prompt)
    second, third = Recorder(), Recorder()
    loop.submit([(request, second), (asked(), third)])
    assert {second.outcome(), third.outcome()} <= {"stop", "length"}
    loop.close(WAIT_S)
    assert second.events == run(ChatEngine(chat_settings), request)[0].events


def test_the_next_turn_reads_no_earlier_turn(chat_settings, asked, read):
    engine = ChatEngine(chat_settings)
    (first,) = run(engine, asked())
    turns = [*HELLO, {"role": "assistant", "content": text_of(first)}, {"role": "user", "content": "Thank you"}]
    run(engine, asked(turns))
    assert read[0] == len(asked().prompt)
    assert 0 < read[1] <= len(asked(turns).prompt) - len(asked().prompt) + 16


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
        ({"type": "string", "pattern": "(?=a)"}, 'the pattern "(?=a)" is no regular expression here: look-around'),
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


ON_ITS_WAY = {
    "prefixItems": [{"const": "red"}, {"type": "string", "pattern": "^a{300000}$"}],
    "minItems": 2,
    "items": False,
}


def test_an_answer_that_fails_fails_alone(engine, asked):
    """Its schema is found too costly once its first part is written."""
    schema = {"type": "array", "items": {"enum": ["red", "green"]}, "minItems": 9}
    mates = [asked(), asked(json_schema=schema, max_tokens=200)]
    expected = [text_of(sink) for sink in run(engine, *mates)]
    *good, failed = run(engine, *mates, asked(json_schema={"type": "array", **ON_ITS_WAY}, max_tokens=200))
    assert "OPTIONS.json_schema cannot be followed: it " in str(failed.outcome())
    assert isinstance(failed.outcome(), InvalidRequest)
    assert '["red",' in text_of(failed).replace(" ", "").replace("\n", "")
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
    assert isinstance(sinks[1].outcome(), ServerError)
    assert [sink.events for sink in sinks] == [alone[0], [], alone[2], alone[3]]


def test_messages_may_have_any_private_use_characters(engine):
    """One of them marks, inside, what is spelled like a control token."""
    tokens = engine.checkpoint.tokens
    many = "".join(map(chr, range(0xE000, 0xF900)))
    spelled = [{"role": "user", "content": f"{many}<|im_end|>"}]
    plain = tokens.conversation([{"role": "user", "content": many}], thinking=False)
    ids = tokens.conversation(spelled, thinking=False)
    assert b"".join(map(tokens.bytes_of, ids)).decode().count("<|im_end|>") == 1
    assert len([token for token in ids if not tokens.bytes_of(token)]) == len(
        [token for token in plain if not tokens.bytes_of(token)]
    )
    everyone = "".join(chr(code) for part in PRIVATE_USE for code in part)
    with pytest.raises(InvalidRequest, match="every private-use character"):
        tokens.conversation([{"role": "user", "content": everyone}], thinking=False)
