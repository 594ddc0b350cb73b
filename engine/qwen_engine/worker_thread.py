"""Threads that survive errors: an iteration that raises is logged and fails what the thread holds."""

import logging
import threading
import time
from collections.abc import Callable

log = logging.getLogger(__name__)

PAUSE_S = 0.1  # after a failed iteration: one that always fails neither fills the log nor takes the processor

RunOnce = Callable[[], bool]
"""One iteration; returns False where there is nothing more to do."""


class GuardedLoop:
    """Repeats `run_once`. `fail` ends what the thread holds, so that a failing iteration is not repeated."""

    def __init__(self, name: str, run_once: RunOnce, fail: Callable[[], None]) -> None:
        self._name = name
        self._run_once = run_once
        self._fail = fail

    def run(self) -> None:
        while self.run_once():
            pass

    def run_once(self) -> bool:
        try:
            return self._run_once()
        except BaseException:  # SystemExit, too: it was not meant to end this thread
            log.exception("an iteration of the thread %r failed; it goes on", self._name)
        self.fail()
        time.sleep(PAUSE_S)
        return True

    def fail(self) -> None:
        try:
            self._fail()
        except Exception:
            log.exception("the thread %r could not fail what it held", self._name)


class WorkerThread:
    """Calls `run_once` again and again on a thread of its own, until it returns False.

    Example:
        sending = WorkerThread("responses", self._send_next, fail=self._fail_all)
        ...
        sending.join(timeout_s=5)
    """

    def __init__(self, name: str, run_once: RunOnce, fail: Callable[[], None] = lambda: None) -> None:
        self._name = name
        self._loop = GuardedLoop(name, run_once, fail)
        self._broken = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def broken(self) -> bool:
        """The thread has ended unexpectedly: nothing handed to it from now on is processed."""
        return self._broken

    def join(self, timeout_s: float) -> None:
        self._thread.join(timeout_s)

    def _run(self) -> None:
        try:
            self._loop.run()
        except BaseException:
            log.critical("the thread %r has ended; its requests are refused from now on", self._name, exc_info=True)
            self._broken = True
            self._loop.fail()
