"""The values of a graph's inputs, from OPTIONS and tensors."""

from collections.abc import Mapping
from typing import Any

from qwen_engine.chains.workflow.graph import Graph, GraphInput
from qwen_engine.messages import Inputs
from qwen_engine.seeds import seed_or_random
from qwen_wire.errors import InvalidRequest
from qwen_wire.json_text import shown
from qwen_wire.options import Options, parse_text

PAYLOAD = "payload"
JSON_TYPES: dict[str, tuple[type, ...]] = {
    "text": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "json": (object,),
    "seed": (int,),
}


def read_values(graph: Graph, given: Mapping[str, Any]) -> dict[str, Any]:
    """The value of each input of the graph. Raises `InvalidRequest` by name."""
    unknown = sorted(set(given) - set(graph.inputs))
    if unknown:
        known = ", ".join(graph.inputs) or "none"
        raise InvalidRequest(f"OPTIONS.inputs.{unknown[0]} is unknown; the workflow's inputs: {known}")
    return {name: _value(name, one, given.get(name)) for name, one in graph.inputs.items()}


def with_files(value: Any, payloads: tuple[bytes, ...]) -> Any:
    """An input of the request: {"payload": 0} stands for an item of PAYLOAD, alone or in a list."""
    if isinstance(value, list):
        return [with_files(one, payloads) for one in value]
    if not isinstance(value, dict) or set(value) != {PAYLOAD}:
        return value
    number = value[PAYLOAD]
    if not isinstance(number, int) or not 0 <= number < len(payloads):
        raise InvalidRequest(f"OPTIONS.inputs: there is no payload {number!r}; PAYLOAD has {len(payloads)} items")
    return payloads[number]


def tensor_value(name: str, given: GraphInput, inputs: Inputs, options: Options) -> Any:
    """The value of an input that is a tensor; None where nothing was sent."""
    tensor = name.upper()
    items: list[Any] = [one for one in inputs.items[tensor] if one or given.several]
    if given.type == "text":
        items = [parse_text(one, tensor) for one in items]
    else:
        items = [options.decode(one, tensor) for one in items]
    if given.several:
        return items or None
    return items[0] if items else None


def _value(name: str, one: GraphInput, given: Any) -> Any:
    value = one.default if given is None else given
    if value is None:
        if one.is_required:
            raise InvalidRequest(f"OPTIONS.inputs.{name} is missing")
        return seed_or_random(None) if one.is_seed and not one.optional else None
    if one.several and not isinstance(value, list):
        raise InvalidRequest(f"OPTIONS.inputs.{name} takes a list of {one.type}")
    wrong = [part for part in (value if one.several else [value]) if not _is(one.type, part)]
    if wrong:
        found = "a file" if isinstance(wrong[0], bytes) else shown(wrong[0])
        raise InvalidRequest(f"OPTIONS.inputs.{name} is {found}; it takes {'integer' if one.is_seed else one.type}")
    return value


def _is(kind: str, value: Any) -> bool:
    if kind == "bytes" or isinstance(value, bytes):
        return kind == "bytes" and isinstance(value, bytes)
    if isinstance(value, bool) and kind in ("integer", "number", "seed"):
        return False
    return isinstance(value, JSON_TYPES[kind])
