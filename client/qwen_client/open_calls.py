"""The calls of a channel that somebody still holds."""

import threading
import weakref
from typing import Generic, TypeVar

CallT = TypeVar("CallT")


class OpenCalls(Generic[CallT]):
    """Held weakly: what nobody reads any more looks after itself."""

    def __init__(self) -> None:
        self._calls: weakref.WeakSet[CallT] = weakref.WeakSet()
        self._changed = threading.Lock()

    def add(self, call: CallT) -> None:
        with self._changed:
            self._calls.add(call)

    def all(self) -> list[CallT]:
        with self._changed:
            return list(self._calls)
