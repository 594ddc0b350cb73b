"""Schemas that cost more than they may end a process of their own; good ones are followed token by token."""

import gc
import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from tokenizers import Tokenizer

from qwen_engine.chat.grammar import Grammars, describe_error
from qwen_engine.chat.grammar_state import GrammarState, GrammarStates, SchemaError
from qwen_wire.errors import InvalidRequest

TOKENIZER = Tokenizer.from_file(str(Path(__file__).resolve().parents[2] / "demo/checkpoints/chat/tokenizer.json"))
NUM_TOKENS = TOKENIZER.get_vocab_size()
END = TOKENIZER.token_to_id("<|im_end|>")
GENEROUS_S = 120.0  # a hostile schema is given 2 s of a processor
COSTLY = {
    "a large multiple": {"type": "integer", "multipleOf": 9999991},
    "many patterns": {"allOf": [{"type": "string", "pattern": f".*{number}.*"} for number in range(400)]},
    "twenty patterns": {"allOf": [{"type": "string", "pattern": f".*{number}.*"} for number in range(20)]},
    "multiples of primes": {"allOf": [{"type": "integer", "multipleOf": prime} for prime in (97, 101, 103, 107, 109)]},
}


@pytest.fixture(scope="module")
def guards() -> Iterator[GrammarStates]:
    yield GrammarStates(TOKENIZER.to_str(), NUM_TOKENS, [END])
    gc.collect()


def heard(guard: GrammarState) -> GrammarState:
    end_s = time.monotonic() + GENEROUS_S
    while not guard.wait(1.0):
        assert time.monotonic() < end_s
    return guard


def allowed(guard: GrammarState) -> set[str]:
    """The tokens that may come next."""
    assert guard.mask is not None
    bits = np.unpackbits(guard.mask.view(np.uint8), bitorder="little")
    return {TOKENIZER.id_to_token(int(token)) for token in np.flatnonzero(bits)}


def write(guard: GrammarState, text: str) -> GrammarState:
    for token in TOKENIZER.encode(text, add_special_tokens=False).ids:
        heard(guard).take(token)
    return heard(guard)


def children(guards: GrammarStates) -> list[psutil.Process]:
    return psutil.Process(guards._parent._process.pid).children()


def wait_until_alone(guards: GrammarStates) -> None:
    end_s = time.monotonic() + GENEROUS_S
    while children(guards):
        assert time.monotonic() < end_s
        time.sleep(0.01)


def test_an_answer_is_followed_to_its_end(guards):
    guard = heard(guards.begin(json.dumps({"type": "array", "items": {"enum": ["red", "rose"]}, "maxItems": 1})))
    assert "[" in allowed(guard)
    assert not guard.complete
    assert "]" in allowed(write(guard, '["red"'))
    assert write(guard, "]").complete
    guard.close()
    wait_until_alone(guards)


def test_a_schema_has_no_say_in_how_it_is_read(guards):
    """It could ask for white space without end, or for separators that are no JSON."""
    own = {"item_separator": ";", "key_separator": "=", "whitespace_pattern": "x*", "lenient": True}
    guard = guards.begin(json.dumps({"type": "array", "items": {"const": 1}, "minItems": 2, "x-guidance": own}))
    assert "," in allowed(write(guard, "[1"))
    assert ";" not in allowed(guard)
    guard.close()
    with pytest.raises(InvalidRequest, match='Unimplemented keys: \\["not"\\]'):
        Grammars(guards).compile({"not": {}, "x-guidance": own})


@pytest.mark.parametrize("schema", COSTLY.values(), ids=COSTLY)
def test_a_schema_that_takes_for_ever_is_refused(guards, schema):
    began_s = time.monotonic()
    with pytest.raises(
        InvalidRequest, match=r"json_schema cannot be used: it (takes too much time or memory|is too complex)"
    ):
        Grammars(guards).compile(schema)
    assert time.monotonic() - began_s < GENEROUS_S
    wait_until_alone(guards)


def test_others_are_followed_while_one_takes_for_ever(guards):
    costly = guards.begin(json.dumps(COSTLY["a large multiple"]))
    steps = 0
    while not _has_ended(costly):
        good = guards.begin(json.dumps({"const": [1, 2, 3]}))
        assert write(good, "[1,2,3]").complete
        good.close()
        steps += 1
    assert steps > 3
    costly.close()


def _has_ended(guard: GrammarState) -> bool:
    try:
        return guard.poll()
    except SchemaError:
        return True


def test_a_process_has_limits_of_its_own(guards):
    guard = heard(guards.begin("{}"))
    (child,) = children(guards)
    assert child.rlimit(psutil.RLIMIT_AS)[1] - child.memory_info().vms <= 256 * 1024**2
    assert child.rlimit(psutil.RLIMIT_CPU) == (60, 60)
    assert child.rlimit(psutil.RLIMIT_CORE) == (0, 0)
    assert child.nice() > psutil.Process().nice()
    guard.close()


def test_a_process_that_is_killed_fails_its_own_answer(guards):
    one, other = (heard(guards.begin('{"const": [1, 2]}')) for _ in range(2))
    first = children(guards)[0]
    first.kill()
    ends = []
    for guard in (one, other):
        try:
            ends.append(write(guard, "[1,2]").complete)
        except SchemaError as error:
            ends.append(str(error))
    assert sorted(map(str, ends)) == ["True", "it takes too much time or memory"]
    for guard in (one, other):
        guard.close()


def test_a_parent_that_is_killed_is_started_again():
    guards = GrammarStates(TOKENIZER.to_str(), NUM_TOKENS, [END])
    heard(guards.begin("{}")).close()
    process = guards._parent._process
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    guard = heard(guards.begin("{}"))
    assert "{" in allowed(guard)
    guard.close()


def test_nothing_is_left_where_the_guards_are_forgotten():
    guards = GrammarStates(TOKENIZER.to_str(), NUM_TOKENS, [END])
    guard = heard(guards.begin("{}"))
    process = psutil.Process(guards._parent._process.pid)
    guard.close()
    del guards
    gc.collect()
    assert not process.is_running()


def test_a_schema_that_was_good_is_not_tried_again(guards, monkeypatch):
    grammars = Grammars(guards)
    schema = {"type": "integer", "multipleOf": 4999}
    first = grammars.compile(schema)
    monkeypatch.setattr(guards, "begin", None)
    assert grammars.compile(dict(schema)) is first


def test_what_one_tenant_has_sent_is_tried_again_for_another(guards):
    """The time it takes would tell that somebody else has sent the same schema."""
    grammars = Grammars(guards)
    schema = {"type": "integer", "multipleOf": 4999}
    first = grammars.compile(schema, "anna")
    assert grammars.compile(schema, "ben") is not first
    assert grammars.compile(schema, "anna") is first


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        ({"type": "objct"}, "Invalid type: objct"),
        ({"type": 5}, "type must be a string or array of strings"),
        ({"type": "array", "uniqueItems": True}, 'Unimplemented keys: ["uniqueItems"]'),
        ({"properties": {"a": {"properties": {"b": {"if": {}}}}}}, 'Unimplemented keys: ["if"]'),
        ({"type": "integer", "minimum": 5, "maximum": 3}, "minimum (5) is greater than maximum (3)"),
        (
            {"required": ["a"], "additionalProperties": False, "type": "object"},
            "required property 'a' is unsatisfiable",
        ),
        ({"allOf": [{"type": "string"}, {"type": "integer"}]}, "Unsatisfiable schema: incompatible types"),
        ({"enum": []}, "Unsatisfiable schema: anyOf is empty"),
        ({"$ref": "#/$defs/none"}, "Pointer '/$defs/none' does not exist"),
        ({"$ref": "http://example.com/schema"}, "Resource 'http://example.com/schema' is not present"),
        ({"$ref": "#"}, "no JSON fits it"),
        ({"type": "string", "pattern": "a(b"}, 'the pattern "a(b" is no regular expression here: unclosed group'),
        ({"type": "string", "pattern": "(a)\\1"}, "backreferences are not supported"),
        ({"type": "string", "pattern": "(?=a)"}, "look-around, including look-ahead and look-behind, is not supported"),
        ({"type": "string", "pattern": "\\p{Nope}"}, "Unicode property not found"),
        ({"type": "string", "pattern": "a\n(b"}, "unclosed group"),
        ({"type": "string", "pattern": "(" * 20_000 + ")" * 20_000}, "nest"),
        ({"type": "string", "format": "nope"}, "Unknown format: nope"),
        (
            {"allOf": [{"type": "string", "pattern": f".*{n}.*"} for n in range(8)]},
            "Unable to determine if regex is empty",
        ),
    ],
)
def test_what_is_wrong_with_a_schema_is_said(guards, schema: Any, told):
    with pytest.raises(InvalidRequest) as caught:
        Grammars(guards).compile(schema)
    message = str(caught.value)
    assert message.startswith("OPTIONS.json_schema cannot be used: ")
    assert told in message
    assert "\n" not in message
    assert len(message) < 400


def test_what_is_too_complex_is_told_as_such():
    told = describe_error("lexer error: too many expressions constructed\n<non-verbose/>")
    assert told == "it is too complex (lexer error: too many expressions constructed)"
