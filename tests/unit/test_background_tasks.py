"""Background tasks run in order, beside the steps or between them; an error ends only the session of the task."""

import threading

import pytest

from qwen_engine.image.background_tasks import BackgroundTask, BackgroundTasks
from qwen_engine.session import Session
from tests.recorder import Recorder

WAIT_S = 10


def sessions(count: int) -> list[Session]:
    return [Session(None, Recorder()) for _ in range(count)]


def finish(tasks: BackgroundTasks) -> None:
    """Until nothing is left to do."""
    while tasks.wait(WAIT_S):
        tasks.run_one()


@pytest.mark.parametrize("beside", [True, False])
def test_tasks_run_in_the_order_of_arrival(beside):
    tasks, done = BackgroundTasks(beside=beside), []
    (session,) = sessions(1)
    for number in range(5):
        tasks.submit(BackgroundTask(session, lambda number=number: done.append(number)))
    finish(tasks)
    assert done == list(range(5))


def test_between_two_steps_one_task_runs():
    tasks, done = BackgroundTasks(beside=False), []
    (session,) = sessions(1)
    for number in range(3):
        tasks.submit(BackgroundTask(session, lambda number=number: done.append(number)))
    assert not done
    tasks.run_one()
    assert done == [0]


@pytest.mark.parametrize("beside", [True, False])
def test_a_failing_task_ends_its_own_session(beside):
    def fail() -> None:
        raise RuntimeError("unlucky")

    tasks, done = BackgroundTasks(beside=beside), threading.Event()
    unlucky, other = sessions(2)
    tasks.submit(BackgroundTask(unlucky, fail))
    tasks.submit(BackgroundTask(other, done.set))
    finish(tasks)
    assert done.is_set()
    assert unlucky.ended
    assert not other.ended


def test_waiting_tasks_of_a_session_are_dropped():
    tasks, done, gate = BackgroundTasks(beside=True), [], threading.Event()
    first, second = sessions(2)
    tasks.submit(BackgroundTask(first, lambda: done.append(gate.wait(WAIT_S))))
    tasks.submit(BackgroundTask(second, lambda: done.append("second")))
    tasks.submit(BackgroundTask(first, lambda: done.append("first")))
    tasks.drop(second)
    gate.set()
    finish(tasks)
    assert done == [True, "first"]


def test_without_tasks_wait_returns_at_once():
    assert not BackgroundTasks(beside=True).wait(WAIT_S)
    assert not BackgroundTasks(beside=False).wait(WAIT_S)


@pytest.mark.parametrize("beside", [True, False])
def test_whatever_a_task_raises_the_next_ones_run(beside):
    """What is no `Exception` fails all that waited."""

    def leave_python() -> None:
        raise SystemExit

    tasks, done = BackgroundTasks(beside=beside), threading.Event()
    unlucky, after = sessions(2)
    tasks.submit(BackgroundTask(unlucky, leave_python))
    finish(tasks)
    assert unlucky.ended
    tasks.submit(BackgroundTask(after, done.set))
    finish(tasks)
    assert done.is_set()
    assert not after.ended
