"""JSON as callers write it: one reader for all of it, within bounds, and values as error messages show them.

What is read has no number that is not finite, no half of a surrogate pair, and no more levels than code that walks
through it may take.
"""

import itertools
import json
import math
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from pydantic_core import ErrorDetails, from_json

from qwen_wire.errors import InvalidRequest

MAX_BYTES = 16 * 1024 * 1024
MAX_LEVELS = 64
MAX_VALUES = 250_000  # each costs its reader a microsecond, and memory twenty times its text
MAX_SHOWN_CHARS = 80
MAX_PROBLEMS = 5
SHOWN_LEVELS = 4
SHOWN_ITEMS = 8
BEFORE_VALUES = (b",", b"[", b"{")
EMPTY = (b"[]", b"{}")
JOINER = "\N{ZERO WIDTH JOINER}"
SKIN_TONES = frozenset(map(chr, range(0x1F3FB, 0x1F400)))
REGIONAL = frozenset(map(chr, range(0x1F1E6, 0x1F200)))  # indicators: two are a flag
TEXT = re.compile(rb'"[^"]*"?')  # once no quote is escaped any more


def read_json(text: bytes | str, name: str, *, max_bytes: int = MAX_BYTES, max_values: int = MAX_VALUES) -> Any:
    """The value of a JSON document that messages call `name`.

    Raises:
        InvalidRequest: too large, too many values, not JSON, nested too deeply, or a number is not finite.
    """
    if len(text) > max_bytes:
        raise InvalidRequest(f"{name} has {len(text)} bytes; the limit is {max_bytes}")
    if _has_more_values(text, max_values):
        raise InvalidRequest(f"{name} has more than {max_values} values, which is the limit")
    try:
        value = from_json(text)
    except ValueError as error:
        raise InvalidRequest(f"{name} is not JSON: {error}") from None
    _check(value, name)
    return value


def read_json_object(
    text: bytes | str, name: str, *, max_bytes: int = MAX_BYTES, max_values: int = MAX_VALUES
) -> dict[str, Any]:
    """The same for a document that has to be an object."""
    try:
        value = read_json(text, name, max_bytes=max_bytes, max_values=max_values)
    except InvalidRequest as error:
        raise InvalidRequest(str(error).replace("is not JSON:", "is not a JSON object:", 1)) from None
    if not isinstance(value, dict):
        raise InvalidRequest(f"{name} is not a JSON object: it is {shown(value)}")
    return value


def first_problem(problems: Sequence[ErrorDetails], explain: Callable[[ErrorDetails], str]) -> str:
    """The first of the problems that a schema has found, and how many more there are."""
    more = len(problems) - MAX_PROBLEMS
    return "; ".join([*map(explain, problems[:MAX_PROBLEMS]), *([f"and {more} more"] if more > 0 else [])])


def place(problem: ErrorDetails) -> str:
    """Where in the document the problem is: keys and numbers of items."""
    return ".".join(cut(str(part)) for part in problem["loc"])


def shown(value: object) -> str:
    """A value as a message quotes it: the beginning of its JSON."""
    text = json.dumps(_pruned(value, SHOWN_LEVELS), ensure_ascii=False, default=lambda one: cut(str(one)))
    return cut(text)


def cut(text: str, max_chars: int = MAX_SHOWN_CHARS) -> str:
    """The beginning of a text, with an ellipsis where more was there."""
    if len(text) <= max_chars:
        return text
    end = max_chars - 1
    while end and _goes_on(text, end):
        end -= 1
    return text[: end or max_chars - 1] + "…"


def _goes_on(text: str, end: int) -> bool:
    """Whether a mark, a joiner or half of a flag there belongs to the character before: most of Unicode's Annex 29."""
    before, after = text[end - 1], text[end]
    if before in REGIONAL and after in REGIONAL:
        flags = itertools.takewhile(REGIONAL.__contains__, reversed(text[:end]))
        return sum(1 for _ in flags) % 2 == 1
    return before == JOINER or after == JOINER or after in SKIN_TONES or unicodedata.category(after)[0] == "M"


def _has_more_values(text: bytes | str, most: int) -> bool:
    """Whether a document has more values than `most`, told by its signs before any value is made."""
    data = text.encode(errors="surrogatepass") if isinstance(text, str) else text
    return _most_values(data) > most and _most_values(_without_texts(data)) > most


def _without_texts(data: bytes) -> bytes:
    return TEXT.sub(b"", data.replace(rb"\\", b"").replace(rb"\"", b""))


def _most_values(data: bytes) -> int:
    """Each value but the first follows one of the signs; within texts they count in vain."""
    return 1 + sum(map(data.count, BEFORE_VALUES)) - sum(map(data.count, EMPTY))


def _check(value: Any, name: str) -> None:
    """Level by level, as a caller might nest deeper than Python can call."""
    level = [value]
    for _ in range(MAX_LEVELS):
        if any(map(_is_not_finite, level)):
            raise InvalidRequest(f"{_place_of_not_finite(value, name)} is NaN, or a number that is too large")
        level = list(itertools.chain.from_iterable(map(_children, level)))
        if not level:
            return
    raise InvalidRequest(f"{name} is nested more than {MAX_LEVELS} levels deep")


def _is_not_finite(value: Any) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


def _place_of_not_finite(value: Any, name: str) -> str:
    """Of the first such number, the outermost ones first."""
    level = [(name, value)]
    while all(not _is_not_finite(one) for _, one in level):
        level = [(f"{cut(place, 200)}.{key}", one) for place, parent in level for key, one in _items(parent)]
    return next(place for place, one in level if _is_not_finite(one))


def _items(value: Any) -> Iterable[tuple[str, Any]]:
    if isinstance(value, dict):
        return ((cut(str(key)), one) for key, one in value.items())
    return ((str(number), one) for number, one in enumerate(value)) if isinstance(value, list) else ()


def _children(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _pruned(value: Any, levels: int) -> Any:
    """What `shown` may get to see of a value: enough for its beginning."""
    if isinstance(value, str):
        return value[:MAX_SHOWN_CHARS]
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > 4 * MAX_SHOWN_CHARS:
        return f"a number of {value.bit_length()} bits"
    if not isinstance(value, dict | list | tuple):
        return value
    if not levels:
        return "…"
    if isinstance(value, dict):
        some = itertools.islice(value.items(), SHOWN_ITEMS)
        return {cut(str(key)): _pruned(one, levels - 1) for key, one in some}
    return [_pruned(one, levels - 1) for one in value[:SHOWN_ITEMS]]
