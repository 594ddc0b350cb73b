"""OPTIONS read, with every mistake named."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from qwen_wire.errors import InvalidRequest
from qwen_wire.json_text import first_problem, place, read_json_object, shown
from qwen_wire.options.base import Options

OptionsT = TypeVar("OptionsT", bound=Options)


@dataclass(frozen=True)
class TensorValue:
    """What a tensor of its own says in place of a field of OPTIONS."""

    tensor: str
    value: Any


def parse_options(
    schema: type[OptionsT], payload: bytes, tensors: Mapping[str, TensorValue] = MappingProxyType({})
) -> OptionsT:
    """Read an OPTIONS tensor, and `tensors`, by the field that each of them gives.

    Raises:
        InvalidRequest: not a JSON object, more than the schema's bounds, or a field that is unknown, of the wrong type,
            out of range or given twice.
    """
    bounds = {"max_bytes": schema.max_json_bytes, "max_values": schema.max_json_values}
    fields = read_json_object(payload, "OPTIONS", **bounds)
    for field, given in tensors.items():
        if field in fields:
            raise InvalidRequest(f"{given.tensor} and OPTIONS.{field} are both given; leave one of them out")
        fields[field] = given.value
    try:
        return schema.model_validate_json(json.dumps(fields) if tensors else payload)
    except ValidationError as error:
        raise InvalidRequest(_explain_all(schema, error, tensors)) from None


def _explain_all(schema: type[Options], error: ValidationError, tensors: Mapping[str, TensorValue]) -> str:
    problems = error.errors(include_url=False)
    known = ", ".join(info.alias or name for name, info in schema.model_fields.items())
    unknown = any(problem["type"] == "extra_forbidden" and len(problem["loc"]) == 1 for problem in problems)
    return first_problem(problems, partial(_explain, tensors)) + (f"; allowed: {known}" if unknown else "")


def _explain(tensors: Mapping[str, TensorValue], problem: ErrorDetails) -> str:
    if problem["type"] == "extra_forbidden":
        return f"OPTIONS.{place(problem)} is unknown"
    if problem["type"] == "value_error":  # of fields that do not go together; the message names them
        return str(problem["ctx"]["error"])
    given = tensors.get(str(problem["loc"][0]))
    name = f"OPTIONS.{place(problem)}" if given is None else given.tensor
    return f"{name} is {shown(problem['input'])}: {problem['msg']}"


def parse_text(payload: bytes, name: str) -> str:
    """The text of a payload tensor; `InvalidRequest` where it is not UTF-8."""
    try:
        return payload.decode()
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"{name} is not UTF-8 text: {error.reason} at byte {error.start}") from error
