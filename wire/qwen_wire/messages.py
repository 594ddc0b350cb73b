"""What the JSON of all answers has in common, and how it is read and written.

The types of `qwen_wire` are frozen dataclasses of pydantic. Fields that a newer server adds are ignored. A field of
`absent()` is written only where it differs from its default.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import ConfigDict, Field, PlainSerializer, TypeAdapter
from pydantic.dataclasses import dataclass

FinishReason = Literal["stop", "length", "cancelled"]
CONFIG = ConfigDict(extra="ignore")
MessageT = TypeVar("MessageT")
_ADAPTERS: dict[type[Any], TypeAdapter[Any]] = {}  # which take a moment to make

Seconds = Annotated[float, PlainSerializer(lambda seconds: round(seconds, 3), when_used="json")]
"""Written to the millisecond: the samples of a second are no round part of it."""


def absent(default: Any = None, *, repr: bool = True) -> Any:
    """A field that is left out where it has its default."""
    return Field(default, exclude_if=lambda value: value == default, repr=repr)


def to_dict(message: Any) -> dict[str, Any]:
    """The JSON object of a message."""
    fields: dict[str, Any] = _adapter(type(message)).dump_python(message, mode="json", by_alias=True)
    return fields


def read_message(kind: type[MessageT], fields: Mapping[str, Any]) -> MessageT:
    """The message of a JSON object. Raises `pydantic.ValidationError` where it is none."""
    message: MessageT = _adapter(kind).validate_python(fields)
    return message


def json_schema(kind: type[Any]) -> dict[str, Any]:
    """The JSON Schema of a message as it is written."""
    return _adapter(kind).json_schema(mode="serialization")


def _adapter(kind: type[Any]) -> TypeAdapter[Any]:
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]


@dataclass(frozen=True, config=CONFIG)
class Timings:
    """Seconds since the request reached the engine: it waited, gave its first event (None: it gave none), was done."""

    queue_s: float
    first_event_s: float | None
    total_s: float


@dataclass(frozen=True, config=CONFIG)
class Usage:
    """Tokens of the prompt (`cached_tokens` of them were not read anew) and of what was written."""

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int | None = absent()


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class EndEvent:
    """The last event of a request that did not fail."""

    index: int = 0
    type: Literal["end"] = "end"
    finish_reason: FinishReason
    timings: Timings
