"""Texts and JSON as bytes and back, with InvalidRequest for mistakes of the caller. Free of I/O."""

import json
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from qwen_wire.errors import InvalidRequest

MAX_SHOWN_CHARS = 80


def text_bytes(text: str, name: str) -> bytes:
    """UTF-8. Raises `InvalidRequest` for what is no text, and for halves of surrogate pairs: bytes of another encoding,
    read as if they were UTF-8, become such."""
    if not isinstance(text, str):
        raise InvalidRequest(f"{name} is {type(text).__name__}: give a text")
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise InvalidRequest(f"{name} is not valid Unicode: {text[error.start]!a} at {error.start}") from error


def text_items(texts: str | Iterable[str], name: str) -> tuple[str, ...]:
    """Several texts; one alone is taken for a list of one, not for one of characters."""
    if isinstance(texts, str):
        return (texts,)
    items = tuple(texts) if isinstance(texts, Iterable) else (None,)
    if not all(isinstance(one, str) for one in items):
        raise InvalidRequest(f"{name} is {type(texts).__name__}: give a text, or several")
    return items


def json_bytes(value: Any, name: str, default: Callable[[Any], Any] | None = None) -> bytes:
    """A JSON document, characters as they are. `default`: as `json.dumps` takes it; numbers of numpy are numbers."""
    try:
        text = json.dumps(value, ensure_ascii=False, default=default or _number)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidRequest(f"{name}: not JSON ({str(error)[:MAX_SHOWN_CHARS]})") from error
    return text_bytes(text, name)


def _number(value: Any) -> Any:
    if isinstance(value, np.bool_ | np.number):
        return value.item()
    raise TypeError(f"{type(value).__name__} is not JSON")


def read_json(text: str | bytes, name: str) -> Any:
    """The value of a JSON document. Raises `InvalidRequest` where it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(f"{name} is not JSON: {error}") from error
