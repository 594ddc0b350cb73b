"""Answers that are JSON of a given schema: each row's next token is one that its schema allows.

llguidance turns the schema into a grammar over the checkpoint's tokens. (xgrammar does so too, but brings a compiler
for GPUs with it, 286 MB.)
"""

import json
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import Any

from qwen_engine.chat.grammar_state import TOO_COSTLY, GrammarState, GrammarStates, WrongSchema
from qwen_engine.tenants import DEFAULT_TENANT
from qwen_wire.errors import InvalidRequest
from qwen_wire.json_text import cut, shown

MAX_KEPT = 256
LISTEN_S = 1.0
MAX_TOLD_CHARS = 300
# How llguidance begins what it says where a schema leads nowhere, and where it costs more than its own limits allow.
NOWHERE = ("NoExtension",)
TOO_COMPLEX = ("lexer error:", "lexer precomputation", "Parser Error:", "fuel exhausted", "DNF too large", "schema too")
DEFINITIONS = ("$defs", "definitions")
NAMED_PARTS = ("properties", "patternProperties", *DEFINITIONS)
LISTED_PARTS = ("anyOf", "oneOf", "allOf", "prefixItems")
SINGLE_PARTS = ("items", "additionalProperties")
NO_SCHEMA = "schema must be an object or boolean"
LOOK_S = 1.0  # for the place of what is wrong
MAX_PLACE_CHARS = 100
REGEX_ERROR = "regex parse error:"
REGEX_REASON = "error: "


class Grammar:
    """A schema that can be kept to, by any number of answers."""

    def __init__(self, schema: str, grammar_states: GrammarStates) -> None:
        self._schema = schema
        self._grammar_states = grammar_states

    def begin(self) -> GrammarState:
        """What guards one answer; to be closed after it."""
        return self._grammar_states.begin(self._schema)


class Grammars:
    """Checks schemas, and remembers the last good ones: chains ask for the same again and again. Any thread.

    Each tenant's apart: what one has sent makes no other's request quicker, which would tell that it was there.
    """

    def __init__(self, grammar_states: GrammarStates) -> None:
        self._grammar_states = grammar_states
        self._kept: OrderedDict[tuple[str, str], Grammar] = OrderedDict()
        self._changed = threading.Lock()

    def compile(self, schema: Mapping[str, Any], tenant: str = DEFAULT_TENANT) -> Grammar:
        """The grammar of a `tenant`'s JSON schema. May take seconds, in which other threads go on.

        Raises:
            InvalidRequest: not a schema, or it asks for what cannot be guarded; the message says what.
        """
        key = tenant, json.dumps(schema)
        with self._changed:
            grammar = self._kept.get(key)
        if grammar is None:
            grammar = Grammar(key[1], self._grammar_states)
            self._check(schema, grammar)
        with self._changed:
            self._kept[key] = grammar
            self._kept.move_to_end(key)
            if len(self._kept) > MAX_KEPT:
                self._kept.popitem(last=False)
        return grammar

    def _check(self, schema: Mapping[str, Any], grammar: Grammar) -> None:
        if (error := _error(grammar)) is None:
            return
        place = self._place(schema, error)
        where = f" (at {cut('.'.join(place), MAX_PLACE_CHARS)})" if place else ""
        raise InvalidRequest(f"OPTIONS.json_schema cannot be used: {what_is_wrong(error)}{where}")

    def _place(self, schema: Mapping[str, Any], error: str) -> list[str]:
        """Which part of a schema is wrong by itself: the compiler says only what is. Gives up where that takes long."""
        if error == TOO_COSTLY or error.startswith(TOO_COMPLEX):
            return []
        place: list[str] = []
        shared = {name: schema[name] for name in DEFINITIONS if name in schema}
        end_s = time.monotonic() + LOOK_S
        parts = list(_parts(schema))
        while parts and time.monotonic() < end_s:
            step, part = parts.pop(0)
            if self._is_wrong(part, shared, error):
                place += step
                parts = list(_parts(part))
        return place

    def _is_wrong(self, part: Any, shared: Mapping[str, Any], error: str) -> bool:
        if not isinstance(part, dict):
            return error == NO_SCHEMA and not isinstance(part, bool)
        return _error(Grammar(json.dumps({**shared, **part}), self._grammar_states)) == error


def _error(grammar: Grammar) -> str | None:
    """What is wrong with it; None: nothing."""
    grammar_state = grammar.begin()
    try:
        while not grammar_state.wait(LISTEN_S):
            pass
    except WrongSchema as error:
        return str(error)
    finally:
        grammar_state.close()
    return None


def _parts(schema: Any) -> Iterator[tuple[list[str], Any]]:
    """The schemas directly within one, and the way to each."""
    for key, value in schema.items() if isinstance(schema, dict) else ():
        if key in NAMED_PARTS and isinstance(value, dict):
            yield from (([key, cut(name)], part) for name, part in value.items())
        elif key in LISTED_PARTS and isinstance(value, list):
            yield from (([key, str(number)], part) for number, part in enumerate(value))
        elif key in SINGLE_PARTS:
            yield [key], value


def what_is_wrong(error: str) -> str:
    """With a schema, by what llguidance says of it."""
    if error.startswith(NOWHERE):
        return "no JSON fits it"
    if error.startswith(REGEX_ERROR):
        return _wrong_pattern(error.splitlines()[1:])
    first_line = cut(error.strip().split("\n")[0], MAX_TOLD_CHARS)
    return f"it is too complex ({first_line})" if error.startswith(TOO_COMPLEX) else first_line


def _wrong_pattern(lines: list[str]) -> str:
    """The regular expression, a line that points into it, and the reason."""
    reason = next((line.removeprefix(REGEX_REASON) for line in lines if line.startswith(REGEX_REASON)), "")
    return f"the pattern {shown(lines[0].strip())} is no regular expression here: {reason}"
