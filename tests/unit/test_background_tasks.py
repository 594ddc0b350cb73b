"""Chores are done in order, beside the steps or between them; a failing one is its session's own."""

import contextlib
import threading

import pytest

from qwen_engine.image.background_tasks import BackgroundTask, BackgroundTasks
from qwen_engine.loop import Session
from tests.recorder import Recorder

WAIT_S = 10


def sessions(count: int) -> list[Session]:
    return [Session(None, Recorder()) for _ in range(count)]


def finish(chores: BackgroundTasks) -> None:
    """Until nothing is left to do."""
    while chores.wait(WAIT_S):
        chores.take_turn()


@pytest.mark.parametrize("beside", [True, False])
def test_chores_are_done_in_the_order_of_arrival(beside):
    chores, done = BackgroundTasks(beside=beside), []
    (session,) = sessions(1)
    for number in range(5):
        chores.add(BackgroundTask(session, lambda number=number: done.append(number)))
    finish(chores)
    assert done == list(range(5))


def test_between_the_steps_a_turn_is_one_chore():
    chores, done = BackgroundTasks(beside=False), []
    (session,) = sessions(1)
    for number in range(3):
        chores.add(BackgroundTask(session, lambda number=number: done.append(number)))
    assert not done
    chores.take_turn()
    assert done == [0]


@pytest.mark.parametrize("beside", [True, False])
def test_a_failing_chore_ends_its_own_session(beside):
    def fail() -> None:
        raise RuntimeError("unlucky")

    chores, done = BackgroundTasks(beside=beside), threading.Event()
    unlucky, mate = sessions(2)
    chores.add(BackgroundTask(unlucky, fail))
    chores.add(BackgroundTask(mate, done.set))
    finish(chores)
    assert done.is_set()
    assert unlucky.ended
    assert not mate.ended


def test_what_waits_of_a_session_is_forgotten_with_it():
    chores, done, gate = BackgroundTasks(beside=True), [], threading.Event()
    first, second = sessions(2)
    chores.add(BackgroundTask(first, lambda: done.append(gate.wait(WAIT_S))))
    chores.add(BackgroundTask(second, lambda: done.append("second")))
    chores.add(BackgroundTask(first, lambda: done.append("first")))
    chores.drop(second)
    gate.set()
    finish(chores)
    assert done == [True, "first"]


def test_nothing_to_do_is_told_at_once():
    assert not BackgroundTasks(beside=True).wait(WAIT_S)
    assert not BackgroundTasks(beside=False).wait(WAIT_S)


@pytest.mark.parametrize("beside", [True, False])
def test_whatever_a_chore_raises_the_next_ones_are_done(beside):
    """What nobody foresaw fails what was waiting; between the steps it is the loop that goes on."""

    def leave_python() -> None:
        raise SystemExit

    chores, done = BackgroundTasks(beside=beside), threading.Event()
    unlucky, after = sessions(2)
    chores.add(BackgroundTask(unlucky, leave_python))
    with contextlib.suppress(SystemExit):
        finish(chores)
    assert unlucky.ended or not beside
    chores.add(BackgroundTask(after, done.set))
    finish(chores)
    assert done.is_set()
    assert not after.ended
