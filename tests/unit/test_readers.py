"""Requests with files are read on threads of their own, tenants in turn."""

import threading
from collections.abc import Callable, Iterator

import pytest

from qwen_engine.readers import Readers
from qwen_engine.settings import TenantSettings
from qwen_engine.tenants import DEFAULT_TENANT
from qwen_wire.errors import Unavailable

TIMEOUT_S = 60.0


class Desk:
    """Readers whose work takes until it is let go; `read` tells what was begun, in order."""

    def __init__(self, num_threads: int, max_waiting: int = 100) -> None:
        self.readers = Readers(num_threads, max_waiting, TenantSettings())
        self.read: list[str] = []
        self.let_go = threading.Event()
        self._changed = threading.Condition()

    def submit(self, tenant: str, name: str) -> None:
        def work() -> None:
            with self._changed:
                self.read.append(name)
                self._changed.notify_all()
            assert self.let_go.wait(TIMEOUT_S)

        self.readers.submit(tenant, work)

    def wait_for(self, condition: Callable[[], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(condition, TIMEOUT_S)


@pytest.fixture
def desk() -> Iterator[Callable[..., Desk]]:
    made: list[Desk] = []

    def make(*args: int) -> Desk:
        made.append(Desk(*args))
        return made[-1]

    yield make
    for one in made:
        one.let_go.set()
        one.readers.close(TIMEOUT_S)


def test_as_many_are_read_at_once_as_there_are_threads(desk):
    work = desk(3)
    for number in range(5):
        work.submit(DEFAULT_TENANT, str(number))
    work.wait_for(lambda: len(work.read) == 3)
    work.let_go.set()
    work.wait_for(lambda: len(work.read) == 5)
    assert sorted(work.read) == ["0", "1", "2", "3", "4"]


def test_tenants_take_turns(desk):
    work = desk(1)
    work.submit("a", "a0")
    work.wait_for(lambda: work.read == ["a0"])
    for name in ("a1", "a2", "a3", "b1", "b2", "c1"):
        work.submit(name[0], name)
    work.let_go.set()
    work.wait_for(lambda: len(work.read) == 7)
    assert work.read == ["a0", "a1", "b1", "c1", "a2", "b2", "a3"]


def test_a_tenant_fills_no_more_than_its_share_of_the_threads(desk):
    work = desk(4)
    for number in range(4):
        work.submit("a", f"a{number}")
    work.wait_for(lambda: len(work.read) == 2)
    work.submit("b", "b0")
    work.submit("c", "c0")
    work.wait_for(lambda: len(work.read) == 4)
    assert sorted(work.read) == ["a0", "a1", "b0", "c0"]


def test_one_too_many_is_refused(desk):
    work = desk(1, 2)
    work.submit(DEFAULT_TENANT, "0")
    work.wait_for(lambda: work.read == ["0"])
    work.submit("a", "1")
    with pytest.raises(Unavailable, match="too many requests wait"):
        work.submit("a", "2")
    work.submit("b", "3")
    with pytest.raises(Unavailable, match="too many requests wait"):
        work.submit("c", "4")


def test_closing_reads_what_was_accepted_and_takes_no_more(desk):
    work = desk(2)
    for number in range(6):
        work.submit("a", str(number))
    work.let_go.set()
    work.readers.close(TIMEOUT_S)
    assert sorted(work.read) == ["0", "1", "2", "3", "4", "5"]
    with pytest.raises(Unavailable, match="shutting down"):
        work.submit("a", "late")


def test_work_that_raises_stops_no_thread(desk):
    work = desk(1)
    work.readers.submit("a", lambda: 1 / 0)
    work.submit("a", "next")
    work.wait_for(lambda: work.read == ["next"])
