"""Threads that go on: what goes wrong in one turn is logged and fails what the thread held, and the next turn comes.

`WorkerThread` is there all the time; `Worker` has one only while there is something to do.
"""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

log = logging.getLogger(__name__)

PAUSE_S = 0.1  # after a failed turn: one that fails again and again neither fills the log nor takes the processor

Turn = Callable[[], bool]
"""Does one thing, and says whether there may be more to do."""


class _Turns:
    """`fail` ends whatever the thread holds, so that the turn that failed does not come again."""

    def __init__(self, name: str, turn: Turn, fail: Callable[[], None]) -> None:
        self._name = name
        self._turn = turn
        self._fail = fail

    def run(self) -> None:
        while self._next():
            pass

    def _next(self) -> bool:
        try:
            return self._turn()
        except BaseException:  # SystemExit, too: whoever raised it did not mean this thread
            log.exception("a turn of the thread %r failed; it goes on", self._name)
        self.fail()
        time.sleep(PAUSE_S)
        return True

    def fail(self) -> None:
        try:
            self._fail()
        except Exception:
            log.exception("the thread %r could not fail what it held", self._name)


class WorkerThread:
    """Calls `turn` again and again on a thread of its own, until it returns False.

    Example:
        sending = WorkerThread("responses", self._send_next, fail=self._fail_all)
        ...
        sending.join(timeout_s=5)
    """

    def __init__(self, name: str, turn: Turn, fail: Callable[[], None] = lambda: None) -> None:
        self._name = name
        self._turns = _Turns(name, turn, fail)
        self._broken = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def broken(self) -> bool:
        """It has ended, though nobody wanted it to: what it is given from now on would wait for ever."""
        return self._broken

    def join(self, timeout_s: float) -> None:
        self._thread.join(timeout_s)

    def _run(self) -> None:
        try:
            self._turns.run()
        except BaseException:
            log.critical("the thread %r has ended; its requests are refused from now on", self._name, exc_info=True)
            self._broken = True
            self._turns.fail()


class Worker:
    """Calls `turn` on a thread of its own, after each `wake` until it returns False.

    Example:
        self._worker = Worker("codec", self._decode_next, fail=self._fail_all)
        with self._changed:
            self._chunks += chunks
        self._worker.wake()
    """

    def __init__(self, name: str, turn: Turn, fail: Callable[[], None]) -> None:
        self._turns = _Turns(name, turn, fail)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)

    def wake(self) -> None:
        """There is something to do."""
        self._thread.submit(self._turns.run)
