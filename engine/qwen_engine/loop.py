"""The seam of every engine: `submit` a request, get its events in a sink; one thread owns the device.

The loop admits waiting requests into the batch, lets the model step it, and retires what has ended.
A request ends exactly once: finished with a reason, or failed with an `EngineError`.
"""

import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, Literal, Protocol, TypeVar

from qwen_engine.errors import Cancelled, EngineError, Internal, Unavailable

log = logging.getLogger(__name__)

RequestT = TypeVar("RequestT")
ItemT = TypeVar("ItemT")
REST_S = 0.02
IDLE_S = 1.0
FinishReason = Literal["stop", "length", "cancelled"]
Timings = dict[str, float | None]


class Sink(Protocol):
    """Receives what one request yields, one call at a time. Called on the engine's threads: must hand over quickly."""

    def emit(self, event: Any) -> None: ...

    def end(self, reason: FinishReason, closing: dict[str, Any]) -> None:
        """`closing` holds the `timings` and what the model tells of the whole request."""
        ...

    def fail(self, error: EngineError) -> None: ...

    def abandoned(self) -> bool:
        """True once nobody waits for the result any more."""
        ...


class Session(Generic[RequestT]):
    """One accepted request on its way through the engine."""

    def __init__(self, request: RequestT, sink: Sink) -> None:
        self.request = request
        self.arrived_s = time.monotonic()
        self.admitted_s: float | None = None
        self.first_event_s: float | None = None
        self._sink: Sink | None = sink
        self._cancelled = threading.Event()
        self._ended = threading.Event()
        self._end_lock = threading.RLock()  # a sink may end its own session

    @property
    def cancelled(self) -> bool:
        return self._cancelled.is_set()

    @property
    def ended(self) -> bool:
        return self._ended.is_set()

    def cancel(self) -> None:
        """Ask for an early end, at the model's next step. Any thread."""
        self._cancelled.set()

    def abandoned(self) -> bool:
        sink = self._sink
        return self.cancelled or sink is None or sink.abandoned()

    def emit(self, event: Any) -> None:
        """Pass one event to the caller; nothing follows an end, whichever thread it comes from."""
        with self._end_lock:
            if self._sink is not None:
                self.first_event_s = self.first_event_s or time.monotonic()
                self._sink.emit(event)

    def finish(self, reason: FinishReason, **figures: Any) -> None:
        if (sink := self._end()) is not None:
            sink.end(reason, {"timings": self.timings(), **figures})

    def fail(self, error: EngineError) -> None:
        if (sink := self._end()) is not None:
            sink.fail(error)

    def timings(self) -> Timings:
        """Seconds since arrival: until admission, until the first event (None: there was none), until now."""
        marks = {"queue_s": self.admitted_s, "first_event_s": self.first_event_s, "total_s": time.monotonic()}
        return {name: None if mark is None else round(mark - self.arrived_s, 4) for name, mark in marks.items()}

    def _end(self) -> Sink | None:
        """The sink, to be told; None where it has been told.

        A sink may hold its session: unless one lets go, the request's samples wait for the garbage collector.
        """
        with self._end_lock:
            self._ended.set()
            sink, self._sink = self._sink, None
            return sink


class Model(Protocol[RequestT]):
    """What a modality supplies to the loop."""

    max_batch: int

    def check(self, request: RequestT) -> None:
        """Raise `InvalidRequest` for what this checkpoint or its limits cannot serve."""
        ...

    def check_load(self, accepted: Sequence[RequestT], request: RequestT) -> None:
        """Raise `Unavailable` where `request` would be too much beside those `accepted`, waiting or live."""
        return None

    def step(self, sessions: Sequence[Session[RequestT]]) -> bool:
        """Advance every session: `emit` what is ready, `finish` or `fail` what is done.

        False: nothing could be done, all of them wait for another request; the loop then rests for a moment.
        """
        ...

    def idle(self) -> None:
        """Called about once a second while there is nothing to do, on the device thread: let go what has expired."""
        return None

    def places(self, request: RequestT) -> int:
        """How many of the `max_batch` places a request takes; one that takes none never waits for one."""
        return 1

    def retire(self, session: Session[RequestT]) -> None:
        """A session that was stepped, or might have been, has ended: free what it held."""


@contextlib.contextmanager
def fail_alone(session: Session[Any]) -> Iterator[None]:
    """What goes wrong in the block ends `session` and nothing else."""
    try:
        yield
    except EngineError as error:
        session.fail(error)
    except Exception:
        log.exception("a request failed")
        session.fail(Internal())


def try_together(
    items: Sequence[ItemT], do: Callable[[Sequence[ItemT]], None], fail: Callable[[ItemT, EngineError], None]
) -> None:
    """`do` all items at once. What fails together is tried one by one, so that it fails alone: `fail` is told of it.

    Where `do` fails it leaves nothing behind that a second time would meet.
    """
    try:
        do(items)
    except Exception as error:
        if not isinstance(error, EngineError):
            log.exception("%d of a batch failed together", len(items))
        if len(items) == 1:
            fail(items[0], error if isinstance(error, EngineError) else Internal())
        else:
            for item in items:
                try_together([item], do, fail)


class EngineLoop(Generic[RequestT]):
    """Owns `model` on its thread; everyone else reaches it through `submit` and `Session.cancel`.

    Example:
        loop = EngineLoop(model, max_queue=64, max_wait_s=60)
        session = loop.submit([(request, sink)])[0]
    """

    def __init__(self, model: Model[RequestT], *, max_queue: int, max_wait_s: float) -> None:
        self.model = model
        self._max_queue = max_queue
        self._max_wait_s = max_wait_s
        self._waiting: deque[Session[RequestT]] = deque()
        self._placeless: deque[Session[RequestT]] = deque()
        self._live: list[Session[RequestT]] = []
        self._turn = 0
        self._changed = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="device", daemon=True)
        self._thread.start()

    def submit(self, arrivals: Sequence[tuple[RequestT, Sink]]) -> list[Session[RequestT]]:
        """Queue requests that came together, so that they may share a first batch.

        One that is refused (bad, or no room) fails in its own sink; its session is returned ended.
        """
        sessions = [Session(request, sink) for request, sink in arrivals]
        checked = [session for session in sessions if self._checks(session)]
        with self._changed:
            for session in checked:
                self._enqueue(session)
            self._changed.notify()
        return sessions

    def close(self, timeout_s: float) -> None:
        """Refuse new requests, finish the accepted ones, then fail what is left after `timeout_s`."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(timeout_s)
        with self._changed:
            left = [*self._live, *self._waiting, *self._placeless]
            self._waiting.clear()
            self._placeless.clear()
        for session in left:
            session.cancel()
            session.fail(Unavailable("the server is shutting down"))

    def _checks(self, session: Session[RequestT]) -> bool:
        try:
            self.model.check(session.request)
        except EngineError as error:
            session.fail(error)
        except Exception:
            log.exception("check failed")
            session.fail(Internal())
        return not session.ended

    def _enqueue(self, session: Session[RequestT]) -> None:
        queue = self._waiting if self.model.places(session.request) else self._placeless
        if self._closing:
            session.fail(Unavailable("the server is shutting down"))
        elif len(queue) >= self._max_queue:
            session.fail(Unavailable(f"the queue is full ({self._max_queue} waiting); try again later"))
        else:
            accepted = [*self._live, *self._waiting, *self._placeless]
            with fail_alone(session):
                self.model.check_load([one.request for one in accepted], session.request)
                queue.append(session)

    def _run(self) -> None:
        while self._wait_for_work():
            self._admit()
            self._cancel()
            rests = not self._step()
            self._retire()
            if rests:
                self._rest()

    def _wait_for_work(self) -> bool:
        while not self._is_wanted():
            self._idle()
        with self._changed:
            return bool(self._live or self._queued())

    def _is_wanted(self) -> bool:
        with self._changed:
            return self._has_cause() or (self._changed.wait(timeout=IDLE_S) and self._has_cause())

    def _has_cause(self) -> bool:
        return bool(self._live or self._queued() or self._closing)

    def _idle(self) -> None:
        try:
            self.model.idle()
        except Exception:
            log.exception("the model failed while idle")

    def _rest(self) -> None:
        with self._changed:
            if not self._queued():
                self._changed.wait(timeout=REST_S)

    def _queued(self) -> bool:
        return bool(self._waiting or self._placeless)

    def _admit(self) -> None:
        free = self.model.max_batch - sum(self.model.places(session.request) for session in self._live)
        while (session := self._next(free)) is not None:
            if self._waited_too_long(session):
                session.fail(Unavailable(f"no place became free within {self._max_wait_s:g} s; try again later"))
                continue
            if session.abandoned():  # work nobody waits for must not cost a batch place
                session.fail(Cancelled("cancelled while waiting"))
                continue
            session.admitted_s = time.monotonic()
            self._live.append(session)
            free -= self.model.places(session.request)

    def _next(self, free: int) -> Session[RequestT] | None:
        """The first in the queue, if the `free` places have room for it or it has waited too long."""
        with self._changed:
            if self._placeless:
                return self._placeless.popleft()
            first = self._waiting[0] if self._waiting else None
            if first and (self.model.places(first.request) <= free or self._waited_too_long(first)):
                return self._waiting.popleft()
            return None

    def _waited_too_long(self, session: Session[RequestT]) -> bool:
        return time.monotonic() - session.arrived_s > self._max_wait_s

    def _cancel(self) -> None:
        if self._live:  # one of them a step: to ask costs a round trip to the server
            self._turn = (self._turn + 1) % len(self._live)
            if self._live[self._turn].abandoned():
                self._live[self._turn].cancel()
        for session in self._live:
            if session.cancelled:
                session.finish("cancelled")
        self._retire()

    def _step(self) -> bool:
        if not self._live:
            return True
        try:
            return self.model.step(self._live)
        except Exception:
            log.exception("a step of %d requests failed", len(self._live))
            for session in self._live:
                session.fail(Internal())
            return True

    def _retire(self) -> None:
        ended = [session for session in self._live if session.ended]  # once: other threads end sessions meanwhile
        for session in ended:
            with fail_alone(session):
                self.model.retire(session)
        self._live = [session for session in self._live if session not in ended]
