"""A thread that works through queued items in groups, while there are any."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

from qwen_engine.worker_thread import GuardedLoop

SUBMIT_TIMEOUT_S = 60.0

ItemT = TypeVar("ItemT")


class BatchWorker(Generic[ItemT]):
    """`choose` selects the next group of the items that are not done; `work` processes it, or a part of it, and returns
    the items that are done. `fail` ends an item that was waiting or in work when one of these raised.

    Items are compared by identity.

    Example:
        self._worker = BatchWorker("codec", choose=self._next_group, work=self._decode, fail=self._fail)
        self._worker.submit(chunks)
    """

    def __init__(
        self,
        name: str,
        *,
        choose: Callable[[Sequence[ItemT]], Sequence[ItemT]],
        work: Callable[[Sequence[ItemT]], Sequence[ItemT]],
        fail: Callable[[ItemT], None],
        has_room: Callable[[Sequence[ItemT]], bool] = lambda _: True,
    ) -> None:
        self._name = name
        self._choose = choose
        self._work = work
        self._fail = fail
        self._has_room = has_room
        self._items: list[ItemT] = []
        self._done: list[ItemT] = []
        self._changed = threading.Condition()
        self._loop = GuardedLoop(name, self._work_once, fail=self._fail_all)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)  # ends with its owner

    @property
    def items(self) -> list[ItemT]:
        """Those submitted and neither taken nor dropped."""
        with self._changed:
            return [*self._items, *self._done]

    def submit(self, items: Sequence[ItemT], *, wake: bool = True) -> None:
        """Queue `items`; blocks while there is no room. Without `wake`, `run_once` processes them."""
        if not items:
            return
        with self._changed:
            if not self._changed.wait_for(lambda: self._has_room(self._items), SUBMIT_TIMEOUT_S):
                raise TimeoutError(f"the thread {self._name!r} accepted nothing for {SUBMIT_TIMEOUT_S:g} s")
            self._items += items
        if wake:
            self._thread.submit(self._loop.run)

    def run_once(self) -> None:
        """Process one group in the caller's thread."""
        self._loop.run_once()

    def drop(self, matches: Callable[[ItemT], bool]) -> None:
        """Forget the items that match; one in work is completed, and its result discarded."""
        with self._changed:
            self._items = [item for item in self._items if not matches(item)]
            self._done = [item for item in self._done if not matches(item)]
            self._changed.notify_all()

    def wait(self, timeout_s: float) -> bool:
        """Until an item is done, for `timeout_s` at most; False: there is none, done or not."""
        with self._changed:
            self._changed.wait_for(lambda: self._done or not self._items, timeout_s)
            return bool(self._done or self._items)

    def take(self) -> list[ItemT]:
        """The items done since the last call."""
        with self._changed:
            done, self._done = self._done, []
            return done

    def _work_once(self) -> bool:
        with self._changed:
            group = self._choose(self._items) if self._items else ()
        if group:
            self._close(self._work(group))
        return bool(group)

    def _fail_all(self) -> None:
        with self._changed:
            items = tuple(self._items)
        try:
            for item in items:
                self._fail(item)
        finally:
            self._close(items)

    def _close(self, items: Sequence[ItemT]) -> None:
        with self._changed:
            self._done += [item for item in self._items if item in items]
            self._items = [item for item in self._items if item not in items]
            self._changed.notify_all()
