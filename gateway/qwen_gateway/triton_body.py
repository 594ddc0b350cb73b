"""Bodies of Triton's HTTP protocol, checked before Triton sees them: docs/security.md says what for.

What is sent on is made anew from what was checked, so that Triton reads nothing else: no duplicate keys, no deep JSON.
"""

import json
import math
import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from qwen_gateway.errors import GatewayError, bad_request
from qwen_wire import tensors
from qwen_wire.errors import InvalidRequest
from qwen_wire.json_text import read_json_object

MAX_VALUES = 50_000
MAX_ID_CHARS = 256
MAX_DIMENSIONS = 8
MAX_SIZE = 2**31 - 1
ITEM_BYTES = {"BOOL": 1, "INT8": 1, "INT16": 2, "INT32": 4, "INT64": 8, "FP16": 2, "BF16": 2, "FP32": 4, "FP64": 8}
ITEM_BYTES |= {f"U{name}": size for name, size in ITEM_BYTES.items() if name.startswith("INT")}
LENGTH = struct.Struct("<I")
# `classification` ends Triton 2.51; shared memory is the server's own; the rest speaks for the gateway.
REFUSED = re.compile(
    r"classification|shared_memory.*|binary_data_size|qwen[-_].*|chain-depth|traceparent|triton.*", re.I
)
SEQUENCE = ("sequence_id", "sequence_start", "sequence_end")
WITH_SEQUENCES = {wire.name for wire in tensors.MODELS if wire.sequences}


@dataclass(frozen=True)
class Caller:
    """For whom a request is sent on; empty: for nobody in particular. `timeout_us`: how long it may take."""

    tenant: str
    traceparent: str
    timeout_us: int

    @property
    def headers(self) -> dict[str, str]:
        named = {"qwen-tenant": self.tenant, "traceparent": self.traceparent}
        return {name: value for name, value in named.items() if value}


@dataclass(frozen=True)
class TritonBody:
    """A body to send on. `inputs` are the names of those that are text or files."""

    content: bytes
    request_id: str
    inputs: tuple[str, ...]
    headers: Mapping[str, str]
    sequence_id: int | None = None


def infer_body(model: str, body: bytes, head_bytes: int | None, caller: Caller, own_id: str) -> TritonBody:
    """Of /infer: JSON, or JSON of `head_bytes` with the tensors behind it.

    Raises:
        GatewayError: it is no request, or has what is refused.
    """
    if head_bytes is not None and head_bytes > len(body):
        raise _refused("inference-header-content-length is more than the body has")
    head = _read(body[:head_bytes])
    _only(head, ("id", "parameters", "inputs", "outputs"), "the request")
    parameters = _parameters(model, head.get("parameters", {}), caller)
    binary = memoryview(body)[len(body) if head_bytes is None else head_bytes :]
    inputs = list(_inputs(_objects(head, "inputs"), binary))
    outputs = [_output(one) for one in _objects(head, "outputs")]
    request_id = _id(head) or own_id
    sent = {"id": request_id, "parameters": parameters, "inputs": inputs}
    text = json.dumps({**sent, "outputs": outputs} if outputs else sent).encode()
    headers = {**caller.headers, "content-type": "application/json"}
    if head_bytes is not None:
        headers |= {"inference-header-content-length": str(len(text)), "content-type": "application/octet-stream"}
    names = tuple(str(one["name"]) for one in inputs if one["datatype"] == "BYTES")
    return TritonBody(text + binary, request_id, names, headers, parameters.get("sequence_id"))


def generate_body(model: str, body: bytes, caller: Caller, own_id: str) -> TritonBody:
    """Of /generate and /generate_stream: tensors and parameters side by side. Triton forwards no headers there, so
    they are fields as well.

    Raises:
        GatewayError: it is no request, or has what is refused.
    """
    fields = _read(body)
    own = {name: fields.pop(name) for name in [*fields] if _is_parameter(name)}
    if "parameters" in fields:
        raise _refused("parameters: they are fields of the body here")
    request_id = _id(own) or own_id
    own.pop("id", None)
    parameters = _parameters(model, own, caller)
    inputs = {name: _texts(value) for name, value in fields.items()}
    sent = {**inputs, **parameters, **caller.headers, "id": request_id}
    names = tuple(name for name, value in inputs.items() if isinstance(value, str | list))
    headers = {"content-type": "application/json"}
    return TritonBody(json.dumps(sent).encode(), request_id, names, headers, parameters.get("sequence_id"))


def _read(data: bytes) -> dict[str, Any]:
    try:
        return read_json_object(data, "the body", max_bytes=MAX_SIZE, max_values=MAX_VALUES)
    except InvalidRequest as error:
        raise bad_request(str(error), code="invalid_json") from error


def _is_parameter(name: str) -> bool:
    return name in ("id", "timeout", "priority") or name.startswith("sequence_") or bool(REFUSED.fullmatch(name))


def _parameters(model: str, given: Any, caller: Caller) -> dict[str, Any]:
    """Those of a request, with the time that it may take."""
    if not isinstance(given, dict):
        raise _refused("parameters is no object")
    for name, value in given.items():
        if REFUSED.fullmatch(name) or not isinstance(value, str | int | float | bool):
            raise _refused(f"parameter {name[:80]!r} is refused")
        if name in SEQUENCE and model not in WITH_SEQUENCES:
            raise _refused(f"{name}: {model} has no sequences")
    timeout_us = given.get("timeout", caller.timeout_us)
    if not isinstance(timeout_us, int) or isinstance(timeout_us, bool) or timeout_us <= 0:
        raise _refused("timeout is no number of microseconds")
    checked = {**given, "timeout": min(timeout_us, caller.timeout_us)}
    if "sequence_id" in given:
        checked["sequence_id"] = _own_sequence(given["sequence_id"], caller.tenant)
    return checked


def _own_sequence(sequence_id: Any, tenant: str) -> int:
    """The number by which Triton knows a sequence: with the tenant in it, as whoever names a sequence can end it."""
    if not isinstance(sequence_id, str | int) or isinstance(sequence_id, bool) or len(str(sequence_id)) > MAX_ID_CHARS:
        raise _refused("sequence_id is neither a number nor a text")
    if sequence_id in (0, ""):
        raise _refused("sequence_id is none")
    digest = blake2b(json.dumps([tenant, sequence_id]).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1 or 1


def _inputs(inputs: list[dict[str, Any]], binary: memoryview) -> Iterator[dict[str, Any]]:
    place = 0
    for one in inputs:
        _only(one, ("name", "shape", "datatype", "parameters", "data"), "an input")
        size = _binary_size(one)
        count, datatype = _count(one), one.get("datatype")
        if not isinstance(one.get("name"), str) or not isinstance(datatype, str):
            raise _refused("an input has no name or no datatype")
        if (size is None) == ("data" not in one):
            raise _refused(f"input {one['name'][:80]!r} needs data, or binary_data_size")
        if size is not None:
            _check_size(one["name"], datatype, count, binary[place : place + size], size)
            place += size
            yield one
        else:
            yield {**one, "data": _texts(one["data"])}
    if place != len(binary):
        raise _refused("binary_data_size of all inputs is not the length of what follows the JSON")


def _binary_size(tensor: dict[str, Any]) -> int | None:
    parameters = tensor.get("parameters", {})
    if not isinstance(parameters, dict) or not set(parameters) <= {"binary_data_size"}:
        raise _refused("parameters of an input may hold binary_data_size, and nothing else")
    size = parameters.get("binary_data_size")
    if size is not None and not _is_size(size):
        raise _refused("binary_data_size is no size")
    return size


def _count(tensor: dict[str, Any]) -> int:
    shape = tensor.get("shape")
    if not isinstance(shape, list) or len(shape) > MAX_DIMENSIONS or not all(map(_is_size, shape)):
        raise _refused("an input has no shape")
    if math.prod(shape) > MAX_SIZE:
        raise _refused("an input is too large")
    return math.prod(shape)


def _check_size(name: str, datatype: str, count: int, data: memoryview, size: int) -> None:
    if datatype != "BYTES":
        is_right = len(data) == size == ITEM_BYTES.get(datatype, -1) * count
    else:
        is_right = len(data) == size and count <= MAX_VALUES and _holds(data, count)
    if not is_right:
        raise _refused(f"input {name[:80]!r}: shape, datatype and binary_data_size do not agree")


def _holds(data: memoryview, count: int) -> bool:
    """Whether there are `count` items, each behind its length."""
    place = 0
    for _ in range(count):
        if place + LENGTH.size > len(data):
            return False
        place += LENGTH.size + LENGTH.unpack_from(data, place)[0]
    return place == len(data)


def _output(one: dict[str, Any]) -> dict[str, Any]:
    _only(one, ("name", "parameters"), "an output")
    parameters = one.get("parameters", {})
    if not isinstance(one.get("name"), str) or not isinstance(parameters, dict):
        raise _refused("an output has no name")
    if not set(parameters) <= {"binary_data"} or not all(isinstance(value, bool) for value in parameters.values()):
        raise _refused("parameters of an output may hold binary_data, and nothing else")
    return one


def _texts(value: Any) -> Any:
    """Objects as the JSON text that models read, such as OPTIONS."""
    if isinstance(value, list):
        return [_texts(one) for one in value]
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else value


def _objects(head: dict[str, Any], name: str) -> list[dict[str, Any]]:
    found = head.get(name, [])
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise _refused(f"{name} is no list of objects")
    return found


def _only(given: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    for name in given:
        if name not in known:
            raise _refused(f"{where} has a field {name[:80]!r}; known: {', '.join(known)}")


def _id(given: Mapping[str, Any]) -> str:
    request_id = given.get("id", "")
    if not isinstance(request_id, str) or len(request_id) > MAX_ID_CHARS:
        raise _refused("id is no text, or too long")
    return request_id


def _is_size(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_SIZE


def _refused(message: str) -> GatewayError:
    return bad_request(message, code="refused")
