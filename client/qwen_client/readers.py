"""Threads that read for others: a few for all streams of a channel."""

import queue
import threading
import weakref
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

MAX_READERS = 8

_Job = tuple[Future[Any], Callable[..., Any], tuple[Any, ...]]
_Jobs = queue.SimpleQueue[_Job | None]


class Readers:
    """As an executor, but of daemons: a program does not wait at its end for a stream that nobody has left.

    `submit` takes no lock, because the garbage collector calls it, too.
    """

    def __init__(self) -> None:
        self._jobs: _Jobs = queue.SimpleQueue()
        self._idle: deque[None] = deque()
        self._num_threads = 0
        weakref.finalize(self, _end, self._jobs)

    def submit(self, read: Callable[..., Any], *args: Any) -> Future[Any]:
        """Have `read` called."""
        future: Future[Any] = Future()
        self._jobs.put((future, read, args))
        try:
            self._idle.pop()
        except IndexError:
            self._add_thread()
        return future

    def _add_thread(self) -> None:
        if self._num_threads < MAX_READERS:
            self._num_threads += 1
            threading.Thread(target=_run, args=(self._jobs, self._idle), name="reader", daemon=True).start()


def _run(jobs: _Jobs, idle: "deque[None]") -> None:
    """Without a reference to `Readers`, so that they may go."""
    while (job := jobs.get()) is not None:
        future, read, args = job
        try:
            future.set_result(read(*args))
        except Exception as error:  # noqa: BLE001 it is raised where the future is waited for
            future.set_exception(error)
        del job, future, read, args
        idle.append(None)


def _end(jobs: _Jobs) -> None:
    for _ in range(MAX_READERS):
        jobs.put(None)
