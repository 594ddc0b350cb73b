"""The engine loop: every request ends exactly once, whatever happens to it or to its batch mates."""

import contextlib
import gc
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence

import pytest

from qwen_engine.loop import EngineLoop, Model
from qwen_engine.messages import Caller
from qwen_engine.session import Session, try_together
from qwen_wire.errors import DeadlineExceeded, InvalidRequest, ServerError, Unavailable
from tests.recorder import Recorder

WAIT_S = 10


class CountDown(Model[int]):
    """A model whose request is a number: it emits n, n-1, … 1. It may be held at a gate before each step."""

    max_sessions = 2

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.stepping = threading.Event()
        self.batches: list[list[int]] = []
        self.retired: list[int] = []
        self.idle_steps = 0
        self._left: dict[Session[int], int] = {}

    def prepare(self, request: int) -> int:
        if request < 0:
            raise InvalidRequest(f"{request} is negative")
        return request

    def step(self, sessions: Sequence[Session[int]]) -> bool:
        self.stepping.set()
        assert self.gate.wait(WAIT_S)
        self.batches.append([session.request for session in sessions])
        if len(self.batches) <= self.idle_steps:
            return False
        for session in sessions:
            if session.request == 13:
                raise RuntimeError("unlucky")
            left = self._left.setdefault(session, session.request)
            session.emit(left)
            self._left[session] = left - 1
            if left <= 1:
                session.finish("stop", steps=session.request)
        return True

    def retire(self, session: Session[int]) -> None:
        self.retired.append(session.request)


@pytest.fixture
def model() -> CountDown:
    return CountDown()


@pytest.fixture
def make_loop(model: CountDown) -> Iterator[Callable[..., EngineLoop[int]]]:
    loops = []

    def make(max_queue: int = 8, max_wait_s: float = WAIT_S) -> EngineLoop[int]:
        loops.append(EngineLoop(model, max_queue=max_queue, max_wait_s=max_wait_s))
        return loops[-1]

    yield make
    model.gate.set()
    for loop in loops:
        loop.close(WAIT_S)


def hold(model: CountDown, loop: EngineLoop[int]) -> Recorder:
    """Keep the device busy with one request inside a step."""
    model.gate.clear()
    busy = Recorder()
    loop.submit([(1, busy)])
    assert model.stepping.wait(WAIT_S)
    return busy


def test_events_come_in_order_and_end_once(make_loop):
    sink = Recorder()
    make_loop().submit([(3, sink)])
    assert sink.outcome() == "stop"
    assert sink.events == [3, 2, 1]
    assert sink.closing["steps"] == 3


def test_every_admitted_session_is_retired_once_however_it_ends(model, make_loop):
    loop = make_loop()
    model.gate.clear()
    unlucky, long, after = Recorder(), Recorder(), Recorder()
    _, cancelled = loop.submit([(13, unlucky), (5000, long)])
    model.gate.set()
    unlucky.outcome()
    cancelled.cancel()
    long.outcome()
    loop.submit([(1, after)])
    after.outcome()
    loop.close(WAIT_S)
    assert sorted(model.retired) == [1, 13, 5000]


def test_a_session_that_ends_while_another_is_retired_is_retired_too(model, make_loop):
    """Threads of a model end sessions whenever they like: none may leave the batch without giving back what it held."""
    ending: list[Session[int]] = []

    def retire(session: Session[int]) -> None:
        model.retired.append(session.request)
        for other in ending:
            other.finish("stop")

    model.retire = retire
    loop, sinks = make_loop(), [Recorder(), Recorder()]
    model.gate.clear()
    lasting, _ = loop.submit([(5, sinks[0]), (1, sinks[1])])
    ending.append(lasting)
    model.gate.set()
    assert [sink.outcome() for sink in sinks] == ["stop", "stop"]
    loop.close(WAIT_S)
    assert sorted(model.retired) == [1, 5]


def test_requests_that_came_together_share_a_batch_and_leave_it_apart(model, make_loop):
    sinks = [Recorder(), Recorder(), Recorder()]
    make_loop().submit(list(zip([1, 3, 2], sinks, strict=True)))
    assert [sink.outcome() for sink in sinks] == ["stop"] * 3
    assert model.batches[:2] == [[1, 3], [3, 2]]  # the third took the first one's place


def test_a_bad_request_is_refused_and_its_mates_are_served(make_loop):
    bad, good = Recorder(), Recorder()
    make_loop().submit([(-1, bad), (1, good)])
    assert isinstance(bad.outcome(), InvalidRequest)
    assert good.outcome() == "stop"


def test_a_full_queue_refuses(model, make_loop):
    loop = make_loop(max_queue=1)
    hold(model, loop)
    waiting, refused = Recorder(), Recorder()
    loop.submit([(1, waiting), (1, refused)])
    assert isinstance(refused.outcome(), Unavailable)
    model.gate.set()
    assert waiting.outcome() == "stop"


def test_one_tenant_s_requests_never_fill_the_queue(model, make_loop):
    loop = make_loop(max_queue=4)
    hold(model, loop)
    greedy, others = [Recorder() for _ in range(3)], [Recorder() for _ in range(2)]
    loop.submit([(1, sink) for sink in greedy], Caller("greedy"))
    loop.submit([(1, sink) for sink in others], Caller("other"))
    refused = greedy[-1].outcome()
    assert isinstance(refused, Unavailable)
    assert "2 requests of this tenant are waiting, its limit" in str(refused)
    model.gate.set()
    assert [sink.outcome() for sink in (*greedy[:2], *others)] == ["stop"] * 4


def test_without_tenants_the_whole_queue_may_be_used(model, make_loop):
    loop = make_loop(max_queue=4)
    hold(model, loop)
    sinks = [Recorder() for _ in range(5)]
    loop.submit([(1, sink) for sink in sinks])
    assert isinstance(sinks[-1].outcome(), Unavailable)
    model.gate.set()
    assert [sink.outcome() for sink in sinks[:4]] == ["stop"] * 4


def test_tenants_take_turns_whoever_came_first(model, make_loop):
    model.max_sessions = 1
    loop = make_loop(max_queue=16)
    busy = hold(model, loop)
    sinks = [Recorder() for _ in range(6)]
    loop.submit([(request, sink) for request, sink in zip([1, 2, 3, 4], sinks, strict=False)], Caller("many"))
    loop.submit([(5, sinks[4])], Caller("few"))
    loop.submit([(6, sinks[5])], Caller("fewer"))
    model.gate.set()
    assert [sink.outcome() for sink in (busy, *sinks)] == ["stop"] * 7
    order = list(dict.fromkeys(batch[0] for batch in model.batches[1:]))
    assert order == [1, 5, 6, 2, 3, 4]


def test_a_tenant_that_holds_fewer_places_comes_first(model, make_loop):
    loop = make_loop(max_queue=16)
    busy = hold(model, loop)
    many, late, few = Recorder(), Recorder(), Recorder()
    loop.submit([(50, many), (60, late)], Caller("many"))
    loop.submit([(3, few)], Caller("few"))
    model.gate.set()
    assert busy.outcome() == few.outcome() == many.outcome() == late.outcome() == "stop"
    assert [50, 3] in model.batches
    assert [50, 60] in model.batches  # nobody else waits: all places are used


def test_what_waited_too_long_is_refused(model, make_loop):
    loop = make_loop(max_wait_s=1.0)  # the first must be admitted within it, however busy the machine
    waiting = Recorder()
    busy = hold(model, loop)
    loop.submit([(5000, Recorder()), (1, Recorder()), (1, waiting)])
    threading.Event().wait(1.1)  # the limit has to pass
    model.gate.set()
    assert isinstance(waiting.outcome(), Unavailable)
    assert busy.outcome() == "stop"


def test_a_model_with_nothing_to_do_is_asked_again(model, make_loop):
    sink = Recorder()
    model.idle_steps = 3
    make_loop().submit([(1, sink)])
    assert sink.outcome() == "stop"
    assert len(model.batches) == 4


def test_a_failing_step_fails_its_requests_without_detail_and_the_next_one_works(make_loop):
    loop = make_loop()
    unlucky, after = Recorder(), Recorder()
    loop.submit([(13, unlucky)])
    error = unlucky.outcome()
    assert isinstance(error, ServerError)
    assert "unlucky" not in str(error)
    loop.submit([(1, after)])
    assert after.outcome() == "stop"


def test_cancelled_while_running(model, make_loop):
    loop = make_loop()
    model.gate.clear()
    sink = Recorder()
    session = loop.submit([(10_000, sink)])[0]
    session.cancel()
    model.gate.set()
    assert sink.outcome() == "cancelled"
    assert len(sink.events) <= 1


def test_work_nobody_waits_for_is_dropped_before_it_costs_a_step(model, make_loop):
    loop = make_loop()
    busy = hold(model, loop)
    gone = Recorder(is_disconnected=True)
    loop.submit([(5, gone)])
    model.gate.set()
    assert busy.outcome() == "stop"
    assert gone.outcome() == "cancelled"
    assert [5] not in model.batches


def test_close_finishes_what_was_accepted_and_refuses_the_rest(model, make_loop):
    loop = make_loop()
    busy, waiting, late = hold(model, loop), Recorder(), Recorder()
    loop.submit([(2, waiting)])
    model.gate.set()
    loop.close(WAIT_S)
    loop.submit([(1, late)])
    assert (busy.outcome(), waiting.outcome()) == ("stop", "stop")
    assert isinstance(late.outcome(), Unavailable)


def test_close_fails_what_does_not_finish_in_time(model, make_loop):
    loop = make_loop()
    stuck = hold(model, loop)
    waiting = Recorder()
    loop.submit([(1, waiting)])
    loop.close(timeout_s=0.01)
    assert isinstance(stuck.outcome(), Unavailable)
    assert isinstance(waiting.outcome(), Unavailable)
    model.gate.set()
    assert len(stuck.ends) == 1


class Held:
    """A sink that holds its session, as those of Triton's requests do."""

    def __init__(self) -> None:
        self.session: Session | None = None

    def emit(self, event: object) -> None: ...

    def end(self, reason: str, closing: dict) -> None: ...

    def fail(self, error: Exception) -> None: ...

    def is_disconnected(self) -> bool:
        return False


class Large:
    """A request that takes much memory."""


class Once(Model[Large]):
    max_sessions = 1

    def prepare(self, request: Large) -> Large:
        return request

    def step(self, sessions: Sequence[Session[Large]]) -> bool:
        sessions[0].finish("stop")
        return True


def test_a_request_that_has_ended_is_freed_at_once():
    loop, sink, request = EngineLoop(Once(), max_queue=1, max_wait_s=WAIT_S), Held(), Large()
    freed = threading.Event()
    weakref.finalize(request, freed.set)
    gc.disable()
    try:
        (sink.session,) = loop.submit([(request, sink)])
        del sink, request
        assert freed.wait(WAIT_S)
    finally:
        gc.enable()
        loop.close(WAIT_S)


def test_what_fails_together_is_tried_one_by_one():
    tried, failed = [], []

    def do(items):
        tried.append(list(items))
        if 2 in items:
            raise Unavailable("no room")
        if 4 in items:
            raise RuntimeError("out of memory")

    try_together([1, 2, 3, 4], do, lambda item, error: failed.append((item, type(error))))
    assert tried == [[1, 2, 3, 4], [1], [2], [3], [4]]
    assert failed == [(2, Unavailable), (4, ServerError)]


def test_what_waits_ends_when_it_is_cancelled_or_its_time_is_over(model, make_loop):
    loop = make_loop()
    model.gate.clear()
    running, cancelled, late, patient = (Recorder() for _ in range(4))
    loop.submit([(50_000, running), (50_000, Recorder())])
    assert model.stepping.wait(WAIT_S)
    (session,) = loop.submit([(1, cancelled)])
    loop.submit([(1, late)], Caller(end_s=time.monotonic()))
    loop.submit([(1, patient)])
    session.cancel()
    model.gate.set()
    assert cancelled.outcome() == "cancelled"
    assert isinstance(late.outcome(), DeadlineExceeded)
    assert not running.done.is_set()
    assert not patient.done.is_set()


def test_what_runs_ends_when_its_time_is_over(model, make_loop):
    sink = Recorder()
    make_loop().submit([(10**9, sink)], Caller(end_s=time.monotonic() + 0.05))
    assert isinstance(sink.outcome(), DeadlineExceeded)
    assert sink.events


class Raising(Recorder):
    """A sink that raises where it is told to: `at` are names of its methods."""

    def __init__(self, *at: str) -> None:
        super().__init__()
        self.told: list[str] = []
        self.raised = threading.Event()
        self._at = at

    def _tell(self, name: str) -> None:
        self.told.append(name)
        if name in self._at:
            self.raised.set()
            raise RuntimeError("the queue is full")

    def emit(self, event: object) -> None:
        self._tell("emit")
        super().emit(event)

    def end(self, reason: str, closing: dict) -> None:
        self._tell("end")
        super().end(reason, closing)

    def fail(self, error: Exception) -> None:
        self._tell("fail")
        super().fail(error)

    def is_disconnected(self) -> bool:
        self._tell("is_disconnected")
        return False


@pytest.mark.parametrize("at", [["emit"], ["end"], ["emit", "fail"], ["end", "fail"], ["emit", "end", "fail"]])
def test_a_sink_that_raises_ends_its_own_request_and_no_other(model, make_loop, at):
    loop, unlucky, mate, after = make_loop(), Raising(*at), Recorder(), Recorder()
    loop.submit([(2, unlucky), (3, mate)])
    assert mate.outcome() == "stop"
    assert unlucky.raised.wait(WAIT_S)
    if "fail" not in at:
        assert isinstance(unlucky.outcome(), ServerError)
    assert unlucky.told.count("fail") == 1
    loop.submit([(1, after)])
    assert after.outcome() == "stop"
    loop.close(WAIT_S)
    assert sorted(model.retired) == [1, 2, 3]


def test_a_sink_that_cannot_tell_whether_it_is_abandoned_is_served(make_loop):
    loop, unlucky, mate = make_loop(), Raising("is_disconnected"), Recorder()
    loop.submit([(3, unlucky), (3, mate)])
    assert unlucky.outcome() == mate.outcome() == "stop"


class Broken(CountDown):
    """A model one of whose methods raises, for the request 7."""

    def __init__(self, method: str, error: type[BaseException]) -> None:
        super().__init__()
        original = getattr(self, method)

        def raising(*args):
            if self._unlucky(args[-1]):
                raise error("unlucky")
            return original(*args)

        setattr(self, method, raising)

    @staticmethod
    def _unlucky(given) -> bool:
        return 7 in [getattr(one, "request", one) for one in (given if isinstance(given, list) else [given])]


@pytest.mark.parametrize("method", ["prepare", "check_load", "step", "retire"])
@pytest.mark.parametrize("error", [RuntimeError, SystemExit])
def test_whatever_a_model_raises_the_next_request_is_served(method, error):
    """Wherever it is called from: what is called on the caller's thread may raise there."""
    loop, unlucky, after = EngineLoop(Broken(method, error), max_queue=8, max_wait_s=WAIT_S), Recorder(), Recorder()
    with contextlib.suppress(error):
        loop.submit([(7, unlucky)])
        unlucky.outcome()
    loop.submit([(1, after)])
    assert after.outcome() == "stop"
    loop.close(WAIT_S)


def test_one_that_cannot_be_admitted_is_failed_and_those_behind_it_are_served(model, make_loop):
    """As where only the device's thread meets the fault."""
    loop, unlucky, behind = make_loop(), Recorder(), Recorder()
    busy = hold(model, loop)
    loop.submit([(7, unlucky)], Caller(end_s="soon"))
    loop.submit([(2, behind)])
    model.gate.set()
    assert busy.outcome() == "stop"
    assert isinstance(unlucky.outcome(), ServerError)
    assert behind.outcome() == "stop"


def test_an_engine_whose_thread_has_ended_refuses(model, make_loop, monkeypatch, caplog):
    monkeypatch.setattr("qwen_engine.worker_thread.PAUSE_S", None)  # what nobody foresaw: the guard itself fails
    loop, unlucky, waiting, late = make_loop(), Recorder(), Recorder(), Recorder()
    hold(model, loop)
    loop.submit([(5, unlucky), (5, Recorder()), (5, Recorder()), (5, waiting)])  # places for two, and the next one
    model.step = lambda sessions: sys.exit()
    model.gate.set()
    assert isinstance(unlucky.outcome(), ServerError)
    assert isinstance(waiting.outcome(), ServerError)
    loop.submit([(1, late)])
    assert isinstance(late.outcome(), Unavailable)
    assert "the thread 'device' has ended" in caplog.text
