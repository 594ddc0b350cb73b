"""Memory of runs, counted before values are put together: a few references may stand for a great deal."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from qwen_engine.settings import ChainSettings
from qwen_wire.errors import InvalidRequest, Unavailable

ITEM_BYTES = 16  # of any item of a list or an object, what Python keeps of it and the comma included


def text_bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def value_bytes(value: Any, most: int) -> int:
    """About what a text or JSON value takes, each part as often as it would be written; files take nothing.

    Counted no further than `most`: for more, any number above that.
    """
    total, parts = 0, [value]
    while parts and total <= most:
        part = parts.pop()
        if isinstance(part, str):
            total += text_bytes(part)
        elif isinstance(part, Mapping):
            total += ITEM_BYTES * len(part) + sum(map(text_bytes, part))
            parts += part.values() if total <= most else ()
        elif isinstance(part, list | tuple):
            total += ITEM_BYTES * len(part)
            parts += part if total <= most else ()
        else:
            total += part.bit_length() // 3 if isinstance(part, int) else ITEM_BYTES
    return total


@dataclass
class MemoryPool:
    """What all runs of a model hold together, `limit` at most; one run is always taken."""

    limit: int
    num_bytes: int = 0


class RunMemory:
    """What one run may still hold. Used in a `with` block, at whose end it holds nothing any more.

    Example:
        with RunMemory(settings, pool) as run_memory:
            run_memory.take_files(len(payload))
            meter = run_memory.meter()
            resolved("$draft.RESULT", scope, meter)
    """

    def __init__(self, settings: ChainSettings, pool: MemoryPool) -> None:
        self.max_value_bytes = settings.max_value_bytes
        self._values_left = settings.max_run_bytes
        self._files_left = settings.max_run_file_bytes
        self._settings = settings
        self._pool = pool
        self._own = 0
        self._known: dict[int, tuple[Any, int]] = {}  # by id; kept alive, for an id may be used again
        self._constants: dict[int, bool] = {}  # by id of a part of the graph, which outlives the run

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.num_bytes -= self._own
        self._own = 0

    def meter(self) -> "Meter":
        """For a value that is to be put together."""
        return Meter(self.max_value_bytes, self._size_of, self._take_values, self._constants)

    def measure(self, value: Any) -> None:
        """Of a large value that will be taken. Any thread."""
        self._size_of(value)

    def take_value(self, value: Any) -> None:
        """A text or JSON value has come or was made."""
        self.meter().add_value(value)

    def take_files(self, num_bytes: int) -> None:
        """Files have come. Raises `InvalidRequest` where they are too much, `Unavailable` beside those of others."""
        self._files_left -= num_bytes
        if self._files_left < 0:
            limit = self._settings.max_run_file_bytes
            raise InvalidRequest(f"all files of this run have more than {limit} bytes, which is the limit")
        self._hold(num_bytes)

    def _take_values(self, num_bytes: int) -> None:
        self._values_left -= num_bytes
        if self._values_left < 0:
            limit = self._settings.max_run_bytes
            raise InvalidRequest(f"all texts and JSON of this run have more than {limit} bytes, which is the limit")
        self._hold(num_bytes)

    def _hold(self, num_bytes: int) -> None:
        others = self._pool.num_bytes - self._own
        if others and self._pool.num_bytes + num_bytes > self._pool.limit:
            raise Unavailable(f"other runs hold {others} bytes, of {self._pool.limit} in all; try again later")
        self._pool.num_bytes += num_bytes
        self._own += num_bytes

    def _size_of(self, value: Any) -> int:
        if not isinstance(value, dict | list):
            return value_bytes(value, self.max_value_bytes)
        if id(value) not in self._known:
            self._known[id(value)] = (value, value_bytes(value, self.max_value_bytes))
        return self._known[id(value)][1]


class Meter:
    """Counts one value while it is put together, each part before it is there.

    `constants` says by id which parts of a graph have no references in them.
    """

    def __init__(
        self, most: int, size_of: Callable[[Any], int], take: Callable[[int], None], constants: dict[int, bool]
    ) -> None:
        self.total = 0
        self.constants = constants
        self._most = most
        self._size_of = size_of
        self._take = take

    def add(self, num_bytes: int) -> None:
        """Raises `InvalidRequest` where the value would be too large, or too much beside the others of its run."""
        self.total += num_bytes
        if self.total > self._most:
            raise InvalidRequest(f"it would be a value of more than {self._most} bytes, which is the limit")
        self._take(num_bytes)

    def add_text(self, text: str) -> None:
        self.add(text_bytes(text))

    def add_value(self, value: Any) -> None:
        self.add(self._size_of(value))

    def add_items(self, names: Mapping[str, Any] | list[Any] | tuple[Any, ...]) -> None:
        """The items of a list or an object, less what they are."""
        keys = sum(map(text_bytes, names)) if isinstance(names, Mapping) else 0
        self.add(ITEM_BYTES * len(names) + keys)
