"""Threads go on after what goes wrong, fail what they held, and are noticed where they end."""

import queue
import threading
from typing import Any

import pytest

from qwen_engine.worker_thread import WorkerThread

WAIT_S = 10


class Jobs:
    """A thread's work: jobs are functions, None ends it; `failed` are those it held when one raised."""

    def __init__(self) -> None:
        self.waiting: queue.Queue[Any] = queue.Queue()
        self.failed: list[Any] = []
        self._doing: Any = None

    def run_once(self) -> bool:
        self._doing = self.waiting.get()
        if self._doing is None:
            return False
        self._doing()
        return True

    def fail(self) -> None:
        self.failed.append(self._doing)


def unlucky() -> None:
    raise RuntimeError("unlucky")


def leaving_python() -> None:
    raise SystemExit


@pytest.mark.parametrize("job", [unlucky, leaving_python])
def test_a_thread_goes_on_and_fails_what_it_held(job: Any) -> None:
    jobs, done = Jobs(), threading.Event()
    thread = WorkerThread("jobs", jobs.run_once, fail=jobs.fail)
    for one in (job, done.set, None):
        jobs.waiting.put(one)
    assert done.wait(WAIT_S)
    thread.join(WAIT_S)
    assert jobs.failed == [job]
    assert not thread.broken


def test_what_cannot_be_failed_stops_nobody() -> None:
    jobs, done = Jobs(), threading.Event()

    def fail() -> None:
        raise RuntimeError("unlucky again")

    thread = WorkerThread("jobs", jobs.run_once, fail=fail)
    for one in (unlucky, done.set, None):
        jobs.waiting.put(one)
    assert done.wait(WAIT_S)
    thread.join(WAIT_S)


def test_a_thread_that_ends_is_noticed(caplog: pytest.LogCaptureFixture) -> None:
    jobs = Jobs()

    def fail() -> None:
        jobs.fail()
        if len(jobs.failed) == 1:
            raise SystemExit

    thread = WorkerThread("jobs", jobs.run_once, fail=fail)
    jobs.waiting.put(unlucky)
    thread.join(WAIT_S)
    assert thread.broken
    assert len(jobs.failed) == 2  # once more, for what has come meanwhile
    assert "the thread 'jobs' has ended" in caplog.text
