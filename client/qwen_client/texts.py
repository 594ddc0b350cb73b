"""Texts and JSON as bytes and back, where a caller's mistake is told as one. Free of I/O."""

import json
from collections.abc import Callable
from typing import Any

from qwen_wire.errors import InvalidRequest

MAX_SHOWN_CHARS = 80


def text_bytes(text: str, name: str) -> bytes:
    """UTF-8. Raises `InvalidRequest` for halves of surrogate pairs: bytes of another encoding, read as if they were
    UTF-8, become such."""
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise InvalidRequest(f"{name} is not valid Unicode: {text[error.start]!a} at {error.start}") from error


def json_bytes(value: Any, name: str, default: Callable[[Any], Any] | None = None) -> bytes:
    """A JSON document, characters as they are. `default`: as `json.dumps` takes it."""
    try:
        text = json.dumps(value, ensure_ascii=False, default=default)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidRequest(f"{name}: not JSON ({str(error)[:MAX_SHOWN_CHARS]})") from error
    return text_bytes(text, name)


def read_json(text: str | bytes, name: str) -> Any:
    """The value of a JSON document. Raises `InvalidRequest` where it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(f"{name} is not JSON: {error}") from error
