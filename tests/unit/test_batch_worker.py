"""Items are processed in groups on a thread of their own; each is done, failed or dropped once."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest

from qwen_engine.batch_worker import BatchWorker

WAIT_S = 10


@dataclass(eq=False)
class Job:
    do: Callable[[], object]
    owner: str = ""


class Jobs:
    """A worker of one job at a time, which records what failed."""

    def __init__(self, **options: Callable[[Sequence[Job]], bool]) -> None:
        self.failed: list[Job] = []
        self.worker: BatchWorker[Job] = BatchWorker(
            "jobs", choose=lambda jobs: jobs[:1], work=self._work, fail=self.failed.append, **options
        )

    def _work(self, group: Sequence[Job]) -> Sequence[Job]:
        for job in group:
            job.do()
        return group

    def until_done(self, count: int) -> list[Job]:
        done: list[Job] = []
        while len(done) < count and self.worker.wait(WAIT_S):
            done += self.worker.take()
        return done


def unlucky() -> None:
    raise RuntimeError("unlucky")


def leaving_python() -> None:
    raise SystemExit


@pytest.mark.parametrize("do", [unlucky, leaving_python])
def test_a_job_that_raises_fails_with_those_that_wait_and_later_ones_are_done(do: Callable[[], None]) -> None:
    jobs = Jobs()
    for _ in range(2):
        failing, after = [Job(do), Job(do)], Job(print)
        jobs.failed.clear()
        jobs.worker.submit(failing)
        assert jobs.until_done(2) == jobs.failed == failing
        jobs.worker.submit([after])
        assert jobs.until_done(1) == [after]


def test_a_job_that_is_not_done_is_chosen_again() -> None:
    parts: list[int] = []
    worker: BatchWorker[Job] = BatchWorker(
        "parts",
        choose=lambda jobs: jobs,
        work=lambda group: (parts.append(len(parts)), group if len(parts) == 3 else ())[1],
        fail=print,
    )
    worker.submit([Job(print)])
    assert worker.wait(WAIT_S)
    assert parts == [0, 1, 2]


def test_a_dropped_job_is_not_done_and_one_in_work_gives_no_result() -> None:
    jobs, started, gate, done = Jobs(), threading.Event(), threading.Event(), []
    last = Job(lambda: done.append("last"), owner="second")
    jobs.worker.submit(
        [
            Job(lambda: (started.set(), done.append(gate.wait(WAIT_S))), owner="first"),
            Job(lambda: done.append("dropped"), owner="first"),
            last,
        ]
    )
    assert started.wait(WAIT_S)
    jobs.worker.drop(lambda job: job.owner == "first")
    gate.set()
    assert jobs.until_done(1) == [last]
    assert done == [True, "last"]


def test_submit_blocks_without_room(monkeypatch: pytest.MonkeyPatch) -> None:
    jobs, gate = Jobs(has_room=lambda pending: not pending), threading.Event()
    jobs.worker.submit([Job(lambda: gate.wait(WAIT_S))])
    monkeypatch.setattr("qwen_engine.batch_worker.SUBMIT_TIMEOUT_S", 0.01)
    with pytest.raises(TimeoutError, match="'jobs' accepted nothing"):
        jobs.worker.submit([Job(print)])
    monkeypatch.setattr("qwen_engine.batch_worker.SUBMIT_TIMEOUT_S", WAIT_S)
    gate.set()
    jobs.worker.submit([Job(print)])
    assert len(jobs.until_done(2)) == 2
