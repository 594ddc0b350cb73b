"""Structured output: answers that are JSON of a schema, by a mask of the tokens that may come next.

llguidance turns the schema into a grammar over the checkpoint's tokens. (xgrammar does so too, but brings a compiler
for GPUs with it, 286 MB.)
"""

import json
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import Any

from qwen_engine.chat.grammar_state import TOO_COSTLY, GrammarState, GrammarStates, SchemaError
from qwen_engine.tenants import DEFAULT_TENANT
from qwen_wire.errors import InvalidRequest
from qwen_wire.json_text import cut, shown

MAX_CACHED = 256
POLL_S = 1.0
MAX_REASON_CHARS = 300
# Prefixes of llguidance's errors for a schema that no JSON fits, and for one that exceeds its limits.
UNSATISFIABLE = ("NoExtension",)
TOO_COMPLEX = ("lexer error:", "lexer precomputation", "Parser Error:", "fuel exhausted", "DNF too large", "schema too")
DEFINITIONS = ("$defs", "definitions")
NAMED_PARTS = ("properties", "patternProperties", *DEFINITIONS)
LISTED_PARTS = ("anyOf", "oneOf", "allOf", "prefixItems")
SINGLE_PARTS = ("items", "additionalProperties")
NO_SCHEMA = "schema must be an object or boolean"
LOCATE_TIMEOUT_S = 1.0  # to find the part of a schema that has the error
MAX_PLACE_CHARS = 100
REGEX_ERROR = "regex parse error:"
REGEX_REASON = "error: "


class Grammar:
    """A schema for any number of answers."""

    def __init__(self, schema: str, grammar_states: GrammarStates) -> None:
        self._schema = schema
        self._grammar_states = grammar_states

    def begin(self) -> GrammarState:
        """The state of one answer; to be closed after it."""
        return self._grammar_states.begin(self._schema)


class Grammars:
    """Checks schemas, and caches the last valid ones: chains send the same schema often. Any thread.

    The cache is per tenant: a fast answer would reveal another tenant's schema.
    """

    def __init__(self, grammar_states: GrammarStates) -> None:
        self._grammar_states = grammar_states
        self._cached: OrderedDict[tuple[str, str], Grammar] = OrderedDict()
        self._changed = threading.Lock()

    def compile(self, schema: Mapping[str, Any], tenant: str = DEFAULT_TENANT) -> Grammar:
        """The grammar of a `tenant`'s JSON schema. May take seconds; does not block other threads.

        Raises:
            InvalidRequest: not a schema, or not supported; the message has the reason.
        """
        key = tenant, json.dumps(schema)
        with self._changed:
            grammar = self._cached.get(key)
        if grammar is None:
            grammar = Grammar(key[1], self._grammar_states)
            self._check(schema, grammar)
        with self._changed:
            self._cached[key] = grammar
            self._cached.move_to_end(key)
            if len(self._cached) > MAX_CACHED:
                self._cached.popitem(last=False)
        return grammar

    def _check(self, schema: Mapping[str, Any], grammar: Grammar) -> None:
        if (error := _error(grammar)) is None:
            return
        place = self._place(schema, error)
        where = f" (at {cut('.'.join(place), MAX_PLACE_CHARS)})" if place else ""
        raise InvalidRequest(f"OPTIONS.json_schema cannot be used: {describe_error(error)}{where}")

    def _place(self, schema: Mapping[str, Any], error: str) -> list[str]:
        """The path to the part of a schema that has the error, as far as it is found in time."""
        if error == TOO_COSTLY or error.startswith(TOO_COMPLEX):
            return []
        place: list[str] = []
        shared = {name: schema[name] for name in DEFINITIONS if name in schema}
        end_s = time.monotonic() + LOCATE_TIMEOUT_S
        parts = list(_parts(schema))
        while parts and time.monotonic() < end_s:
            step, part = parts.pop(0)
            if self._has_error(part, shared, error):
                place += step
                parts = list(_parts(part))
        return place

    def _has_error(self, part: Any, shared: Mapping[str, Any], error: str) -> bool:
        if not isinstance(part, dict):
            return error == NO_SCHEMA and not isinstance(part, bool)
        return _error(Grammar(json.dumps({**shared, **part}), self._grammar_states)) == error


def _error(grammar: Grammar) -> str | None:
    """The compiler's error; None: there is none."""
    grammar_state = grammar.begin()
    try:
        while not grammar_state.wait(POLL_S):
            pass
    except SchemaError as error:
        return str(error)
    finally:
        grammar_state.close()
    return None


def _parts(schema: Any) -> Iterator[tuple[list[str], Any]]:
    """The schemas directly within one, and the path to each."""
    for key, value in schema.items() if isinstance(schema, dict) else ():
        if key in NAMED_PARTS and isinstance(value, dict):
            yield from (([key, cut(name)], part) for name, part in value.items())
        elif key in LISTED_PARTS and isinstance(value, list):
            yield from (([key, str(number)], part) for number, part in enumerate(value))
        elif key in SINGLE_PARTS:
            yield [key], value


def describe_error(error: str) -> str:
    """The reason for callers, from an error of llguidance."""
    if error.startswith(UNSATISFIABLE):
        return "no JSON fits it"
    if error.startswith(REGEX_ERROR):
        return _describe_pattern_error(error.splitlines()[1:])
    first_line = cut(error.strip().split("\n")[0], MAX_REASON_CHARS)
    return f"it is too complex ({first_line})" if error.startswith(TOO_COMPLEX) else first_line


def _describe_pattern_error(lines: list[str]) -> str:
    """The regular expression, a line that points into it, and the reason."""
    reason = next((line.removeprefix(REGEX_REASON) for line in lines if line.startswith(REGEX_REASON)), "")
    return f"the pattern {shown(lines[0].strip())} is no regular expression here: {reason}"
