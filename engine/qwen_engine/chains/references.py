"""References in a workflow: "$draft.json.prompts" is a value, "a ${inputs.colour} ring" a text with values in it."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qwen_engine.errors import InvalidRequest

PATH = r"[a-z][a-z0-9_]*(?:\.[A-Za-z0-9_]+)*"
WHOLE = re.compile(rf"\$({PATH})")
WITHIN = re.compile(rf"\$\{{({PATH})\}}")
ESCAPED = "$$"  # a text that begins with a dollar sign, and is no reference
MAX_TOLD = 60


@dataclass(frozen=True)
class Reference:
    """`source` is a node, "inputs", "item" or "index"; `path` leads from there: an output or an input, then keys."""

    source: str
    path: tuple[str, ...]

    @classmethod
    def read(cls, text: str) -> "Reference":
        source, *path = text.split(".")
        return cls(source, tuple(path))

    def __str__(self) -> str:
        return "$" + ".".join([self.source, *self.path])


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


def resolved(value: Any, scope: Mapping[str, Any]) -> Any:
    """A JSON value with what its references stand for, by source in `scope`.

    Raises:
        InvalidRequest: a path leads nowhere.
    """
    if (whole := whole_reference(value)) is not None:
        return look_up(whole, scope)
    if isinstance(value, str):
        if value.startswith(ESCAPED):
            return value[1:]
        return WITHIN.sub(lambda found: _as_text(Reference.read(found[1]), scope), value)
    if isinstance(value, Mapping):
        return {name: resolved(one, scope) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [resolved(one, scope) for one in value]
    return value


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
            raise InvalidRequest(f"{reference}: there is no {part!r} in {before}, {_told(value)}") from None
    return value


def _as_text(reference: Reference, scope: Mapping[str, Any]) -> str:
    value = look_up(reference, scope)
    if isinstance(value, bytes):
        raise InvalidRequest(f"{reference} is a file, which cannot be part of a text")
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _told(value: Any) -> str:
    if isinstance(value, bytes):
        return f"a file of {len(value)} bytes"
    if isinstance(value, Mapping):
        return f"which has {', '.join(map(str, value)) or 'nothing'}"[:MAX_TOLD]
    if isinstance(value, list):
        return f"a list of {len(value)}"
    return f"which is {json.dumps(value, ensure_ascii=False)}"[:MAX_TOLD]
