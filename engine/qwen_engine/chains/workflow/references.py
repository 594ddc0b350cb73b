"""References in a workflow: "$draft.json.prompts" is a value, "a ${inputs.colour} ring" a text with values in it."""

import itertools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qwen_engine.chains.workflow.memory import Meter
from qwen_wire.errors import InvalidRequest
from qwen_wire.json_text import cut, shown

PATH = r"[a-z][a-z0-9_]*(?:\.[A-Za-z0-9_]+)*"
WHOLE = re.compile(rf"\$({PATH})")
WITHIN = re.compile(rf"\$\{{({PATH})\}}")
ESCAPED = "$$"  # a text that begins with a dollar sign, and is no reference
MAX_PARTS = 32  # of a path
MAX_SHOWN_CHARS = 60


@dataclass(frozen=True)
class Reference:
    """`source` is a node, "inputs", "item" or "index"; `path` leads from there: an output or an input, then keys."""

    source: str
    path: tuple[str, ...]

    @classmethod
    def read(cls, text: str) -> "Reference":
        """Raises `InvalidRequest` for a path that is longer than any JSON is deep."""
        source, *path = text.split(".", MAX_PARTS + 1)
        if len(path) > MAX_PARTS:
            raise InvalidRequest(f"${cut(text)} is a path of more than {MAX_PARTS} parts, which is the limit")
        return cls(source, tuple(path))

    def __str__(self) -> str:
        """As it is written, cut where it is long."""
        return cut("$" + ".".join([self.source, *self.path]))


def whole_reference(value: Any) -> Reference | None:
    """The reference that `value` is, where it is nothing else."""
    found = WHOLE.fullmatch(value) if isinstance(value, str) else None
    return Reference.read(found[1]) if found else None


def references(value: Any) -> Iterator[Reference]:
    """All references in a JSON value."""
    if (whole := whole_reference(value)) is not None:
        yield whole
    elif isinstance(value, str):
        yield from (Reference.read(found[1]) for found in WITHIN.finditer(value))
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from references(one)
    elif isinstance(value, Sequence) and not isinstance(value, bytes):
        for one in value:
            yield from references(one)


def resolved(value: Any, scope: Mapping[str, Any], meter: Meter) -> Any:
    """A JSON value with what its references stand for, by source in `scope`; all of it is counted by `meter`.

    Raises:
        InvalidRequest: a path leads nowhere, or the value would be too large.
    """
    if (whole := whole_reference(value)) is not None:
        found = look_up(whole, scope)
        meter.add_value(found)
        return found
    if isinstance(value, Mapping | list) and _is_constant(value, meter.constants):
        meter.add_value(value)
        return value
    if isinstance(value, str):
        meter.add_text(value)
        if value.startswith(ESCAPED):
            return value[1:]
        return WITHIN.sub(lambda found: _as_text(Reference.read(found[1]), scope, meter), value)
    if isinstance(value, Mapping):
        meter.add_items(value)
        return {name: resolved(one, scope, meter) for name, one in value.items()}
    if isinstance(value, list | tuple):
        meter.add_items(value)
        return [resolved(one, scope, meter) for one in value]
    return value


def _is_constant(value: Any, known: dict[int, bool]) -> bool:
    """Whether a part of a graph is what it stands for; `known` by id, since parts are used for every item."""
    if isinstance(value, str):
        return not value.startswith(ESCAPED) and next(references(value), None) is None
    if not isinstance(value, Mapping | list):
        return True
    if id(value) not in known:
        parts = value.values() if isinstance(value, Mapping) else value
        known[id(value)] = all(_is_constant(part, known) for part in parts)
    return known[id(value)]


def condition(value: Any, scope: Mapping[str, Any], meter: Meter) -> Any:
    """As `resolved`, for what is looked at only: a reference alone costs nothing."""
    whole = whole_reference(value)
    return resolved(value, scope, meter) if whole is None else look_up(whole, scope)


def json_of(value: Any, name: str) -> str:
    """A value as JSON. Raises `InvalidRequest` where it holds what JSON cannot; messages call it `name`."""
    try:
        return json.dumps(value, ensure_ascii=False)
    except TypeError:
        raise InvalidRequest(f"{cut(name)} holds a file, which cannot be part of a text or of JSON") from None


def look_up(reference: Reference, scope: Mapping[str, Any]) -> Any:
    """What a reference stands for; null, where its source is null: a node that was skipped."""
    value: Any = scope[reference.source]
    if value is None:
        return None
    for number, part in enumerate(reference.path):
        try:
            value = value[int(part)] if isinstance(value, list) else value[part]
        except (KeyError, IndexError, ValueError, TypeError):
            before = Reference(reference.source, reference.path[:number])
            message = f"{reference}: there is no {cut(part)!r} in {before}, {_described(value)}"
            raise InvalidRequest(message) from None
    return value


def _as_text(reference: Reference, scope: Mapping[str, Any], meter: Meter) -> str:
    value = look_up(reference, scope)
    if isinstance(value, bytes):
        raise InvalidRequest(f"{reference} is a file, which cannot be part of a text")
    if value is None:
        return ""
    meter.add_value(value)
    return value if isinstance(value, str) else json_of(value, str(reference))


def _described(value: Any) -> str:
    if isinstance(value, bytes):
        return f"a file of {len(value)} bytes"
    if isinstance(value, Mapping):
        names = ", ".join(map(cut, itertools.islice(value, MAX_SHOWN_CHARS))) or "nothing"
        return cut(f"which has {names}", MAX_SHOWN_CHARS)
    if isinstance(value, list):
        return f"a list of {len(value)}"
    return cut(f"which is {shown(value)}", MAX_SHOWN_CHARS)
