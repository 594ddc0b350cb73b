"""The seam of every engine: `submit` a request, get its events in a sink; one thread owns the device.

The loop admits waiting requests into the batch, lets the model step it, and retires what has ended.
A request ends exactly once: finished with a reason, or failed with a `QwenError`.
"""

import logging
import threading
import time
from collections import Counter
from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar

from qwen_engine.messages import Caller
from qwen_engine.session import NOBODY, Session, Sink, fail_alone
from qwen_engine.settings import TenantSettings
from qwen_engine.tenants import FairQueue
from qwen_engine.worker_thread import WorkerThread
from qwen_wire.errors import ServerError, Unavailable

log = logging.getLogger(__name__)

RequestT = TypeVar("RequestT")
REST_S = 0.02
IDLE_S = 1.0
NO_TENANTS = TenantSettings()


class Model(Protocol[RequestT]):
    """What a modality supplies to the loop."""

    max_sessions: int
    """How many may be live at a time."""

    def prepare(self, request: RequestT) -> RequestT:
        """The request as it is worked on, with all that is found out before; on the caller's thread.

        Raise `InvalidRequest` for what this checkpoint or its limits cannot serve.
        """
        ...

    def check_load(self, accepted: Sequence[Session[RequestT]], session: Session[RequestT]) -> None:
        """Raise `Unavailable` where `session` would be too much beside those `accepted`, waiting or live."""
        return None

    def accept(self, session: Session[RequestT]) -> None:
        """There is room for `session` in the queue; whatever it emits here comes first. Any thread, one at a time.

        Raise a `QwenError` to refuse it all the same.
        """
        return None

    def step(self, sessions: Sequence[Session[RequestT]]) -> bool:
        """Advance every session: `emit` what is ready, `finish` or `fail` what is done.

        False: nothing could be done, all of them wait for another request; the loop then rests for a moment.
        """
        ...

    def idle(self) -> None:
        """Called about once a second while there is nothing to do, on the device thread: let go what has expired."""
        return None

    def retire(self, session: Session[RequestT]) -> None:
        """A session that was stepped, or might have been, has ended: free what it held."""


class EngineLoop(Generic[RequestT]):
    """Owns `model` on its thread; everyone else reaches it through `submit` and `Session.cancel`.

    Example:
        loop = EngineLoop(model, max_queue=64, max_wait_s=60)
        session = loop.submit([(request, sink)])[0]
    """

    def __init__(
        self, model: Model[RequestT], *, max_queue: int, max_wait_s: float, tenants: TenantSettings = NO_TENANTS
    ) -> None:
        self.model = model
        self._tenants = tenants
        self._max_queue = max_queue
        self._max_wait_s = max_wait_s
        self._waiting: FairQueue[Session[RequestT]] = FairQueue()
        self._live: list[Session[RequestT]] = []
        self._turn = 0
        self._changed = threading.Condition()
        self._closing = False
        self._thread = WorkerThread("device", self._run_once, fail=self._fail_held)

    def submit(self, arrivals: Sequence[tuple[RequestT, Sink]], caller: Caller = NOBODY) -> list[Session[RequestT]]:
        """Queue requests of one caller that came together, so that they may share a first batch.

        One that is refused (bad, or no room) fails in its own sink; its session is returned ended.
        """
        sessions = [Session(request, sink, caller) for request, sink in arrivals]
        for session in sessions:
            with fail_alone(session):
                with self._changed:
                    self._require_room(session.tenant)  # before there is work for nothing
                session.request = self.model.prepare(session.request)
        with self._changed:
            for session in sessions:
                if not session.ended:
                    self._enqueue(session)
            self._changed.notify()
        return sessions

    def wake(self) -> None:
        """Have a model that rests step again: what it waited for has come."""
        with self._changed:
            self._changed.notify()

    def close(self, timeout_s: float) -> None:
        """Refuse new requests, finish the accepted ones, then fail what is left after `timeout_s`."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(timeout_s)
        for session in [*self._live, *self._take_waiting()]:
            session.cancel()
            session.fail(Unavailable("the server is shutting down"))

    def _enqueue(self, session: Session[RequestT]) -> None:
        with fail_alone(session):
            self._require_room(session.tenant)
            self.model.check_load([*self._live, *self._waiting], session)
            self.model.accept(session)
            self._waiting.push(session.tenant, session)

    def _require_room(self, tenant: str) -> None:
        if self._closing:
            raise Unavailable("the server is shutting down")
        if self._thread.broken:
            raise Unavailable("the model has broken down; the server's log has the cause")
        if len(self._waiting) >= self._max_queue:
            raise Unavailable(f"the queue is full ({self._max_queue} waiting); try again later")
        if (waiting := self._waiting.num_of(tenant)) >= self._tenants.allowance(self._max_queue, tenant):
            raise Unavailable(f"{waiting} requests of this tenant are waiting, its limit; try again later")

    def _run_once(self) -> bool:
        if not self._wait_for_work():
            return False
        self._drop_waiting()
        self._admit()
        self._cancel()
        rests = not self._step()
        self._retire()
        if rests:
            self._rest()
        return True

    def _fail_held(self) -> None:
        """Those in hand, and who might come next: one of them it was. All, where nobody serves them any more."""
        for session in [*self._live, *(self._take_waiting() if self._thread.broken else self._take_firsts())]:
            session.fail(ServerError())
        self._retire()

    def _take_waiting(self) -> list[Session[RequestT]]:
        with self._changed:
            waiting = [*self._waiting]
            self._waiting.clear()
            return waiting

    def _take_firsts(self) -> list[Session[RequestT]]:
        with self._changed:
            return [self._waiting.pop(tenant) for tenant, _ in self._waiting.firsts(lambda _: 0)]

    def _wait_for_work(self) -> bool:
        while not self._is_wanted():
            self._idle()
        with self._changed:
            return bool(self._live or self._waiting)

    def _is_wanted(self) -> bool:
        with self._changed:
            return self._has_cause() or (self._changed.wait(timeout=IDLE_S) and self._has_cause())

    def _has_cause(self) -> bool:
        return bool(self._live or self._waiting or self._closing)

    def _idle(self) -> None:
        try:
            self.model.idle()
        except Exception:
            log.exception("the model failed while idle")

    def _rest(self) -> None:
        with self._changed:
            if not self._waiting:
                self._changed.wait(timeout=REST_S)

    def _drop_waiting(self) -> None:
        """Without a place, too, a request ends when its caller or its time wants it."""
        with self._changed:
            over = [session for session in self._waiting if session.over]
            for session in over:
                self._waiting.remove(session.tenant, session)
        for session in over:
            session.end_early()

    def _admit(self) -> None:
        while (session := self._next()) is not None:
            if self._waited_too_long(session):
                session.fail(Unavailable(f"no place became free within {self._max_wait_s:g} s; try again later"))
                continue
            if session.is_disconnected():  # work nobody waits for must not cost a batch place
                session.finish("cancelled")
                continue
            session.admitted_s = time.monotonic()
            self._live.append(session)

    def _next(self) -> Session[RequestT] | None:
        """Who is next, if there is a free place or the wait was too long; tenants that have few places come first."""
        num_of = Counter(session.tenant for session in self._live)
        with self._changed:
            for tenant, first in self._waiting.firsts(num_of.__getitem__):
                if len(self._live) < self.model.max_sessions or self._waited_too_long(first):
                    return self._waiting.pop(tenant)
        return None

    def _waited_too_long(self, session: Session[RequestT]) -> bool:
        return time.monotonic() - session.arrived_s > self._max_wait_s

    def _cancel(self) -> None:
        if self._live:  # one of them a step: to ask costs a round trip to the server
            self._turn = (self._turn + 1) % len(self._live)
            if self._live[self._turn].is_disconnected():
                self._live[self._turn].cancel()
        for session in self._live:
            if session.over:
                session.end_early()
        self._retire()

    def _step(self) -> bool:
        if not self._live:
            return True
        try:
            return self.model.step(self._live)
        except Exception:
            log.exception("a step of %d requests failed", len(self._live))
            for session in self._live:
                session.fail(ServerError())
            return True

    def _retire(self) -> None:
        ended = [session for session in self._live if session.ended]  # once: other threads end sessions meanwhile
        self._live = [session for session in self._live if session not in ended]
        for session in ended:
            try:
                self.model.retire(session)
            except BaseException:  # it has ended; those that live are not to suffer
                log.exception("what a request held could not be freed")
