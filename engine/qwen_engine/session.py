"""One accepted request on its way through an engine, and how a failure stays with the request that it belongs to."""

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, Protocol, TypeVar

from qwen_engine.messages import Caller, timings
from qwen_wire.errors import DeadlineExceeded, QwenError, ServerError
from qwen_wire.messages import FinishReason

log = logging.getLogger(__name__)

RequestT = TypeVar("RequestT")
ItemT = TypeVar("ItemT")
NO_TIME_LEFT = "not done within the time that the request allowed; a larger timeout allows more"
NOBODY = Caller()


class Sink(Protocol):
    """Receives what one request yields, one call at a time. Called on the engine's threads: must hand over quickly."""

    def emit(self, event: Any) -> None: ...

    def end(self, reason: FinishReason, closing: dict[str, Any]) -> None:
        """`closing` holds the `timings` and what the model tells of the whole request."""
        ...

    def fail(self, error: QwenError) -> None: ...

    def is_disconnected(self) -> bool:
        """True once nobody waits for the result any more."""
        ...


class Session(Generic[RequestT]):
    """One accepted request of `caller` on its way through the engine.

    What its sink raises is the failure of this request, and of nobody who calls.
    """

    def __init__(self, request: RequestT, sink: Sink, caller: Caller = NOBODY) -> None:
        self.request = request
        self.caller = caller
        self.arrived_s = time.monotonic()
        self.admitted_s: float | None = None
        self.first_event_s: float | None = None
        self._sink: Sink | None = sink
        self._cancelled = threading.Event()
        self._ended = threading.Event()
        self._end_lock = threading.RLock()  # a sink may end its own session

    @property
    def tenant(self) -> str:
        return self.caller.tenant

    @property
    def cancelled(self) -> bool:
        return self._cancelled.is_set()

    @property
    def ended(self) -> bool:
        return self._ended.is_set()

    def cancel(self) -> None:
        """Ask for an early end, at the model's next step. Any thread."""
        self._cancelled.set()

    def is_disconnected(self) -> bool:
        sink = self._sink
        if self.cancelled or sink is None:
            return True
        try:
            return sink.is_disconnected()
        except Exception:
            log.exception("whether a caller has left is unknown")
            return False

    def emit(self, event: Any) -> None:
        """Pass one event to the caller; nothing follows an end, whichever thread it comes from."""
        with self._end_lock:
            if self._sink is None:
                return
            self.first_event_s = self.first_event_s or time.monotonic()
            try:
                self._sink.emit(event)
            except Exception:
                log.exception("an event could not be handed over")
                self.fail(ServerError())

    def finish(self, reason: FinishReason, **figures: Any) -> None:
        if (sink := self._end()) is not None:
            try:
                sink.end(reason, {"timings": timings(self.arrived_s, self.admitted_s, self.first_event_s), **figures})
            except Exception:
                log.exception("an end could not be handed over")
                _tell_failure(sink, ServerError())

    def fail(self, error: QwenError) -> None:
        if (sink := self._end()) is not None:
            _tell_failure(sink, error)

    @property
    def over(self) -> bool:
        """It was cancelled, or has no time left."""
        return self.cancelled or time.monotonic() > self.caller.end_s

    def end_early(self) -> None:
        """End one that is `over`."""
        if self.cancelled:
            self.finish("cancelled")
        else:
            self.fail(DeadlineExceeded(NO_TIME_LEFT))

    def _end(self) -> Sink | None:
        """The sink, for the end; None where it has got one.

        A sink may hold its session: unless one lets go, the request's samples wait for the garbage collector.
        """
        with self._end_lock:
            self._ended.set()
            sink, self._sink = self._sink, None
            return sink


def _tell_failure(sink: Sink, error: QwenError) -> None:
    try:
        sink.fail(error)
    except Exception:
        log.exception("a failure could not be handed over: %s", error)


class CanFail(Protocol):
    """A request, as far as it can be failed."""

    def fail(self, error: QwenError) -> None: ...


@contextlib.contextmanager
def fail_alone(request: CanFail) -> Iterator[None]:
    """What goes wrong in the block ends `request` and nothing else."""
    try:
        yield
    except QwenError as error:
        request.fail(error)
    except (Exception, SystemExit):  # SystemExit: it was not meant to end a thread that serves others
        log.exception("a request failed")
        request.fail(ServerError())


def try_together(
    items: Sequence[ItemT], do: Callable[[Sequence[ItemT]], None], fail: Callable[[ItemT, QwenError], None]
) -> None:
    """`do` all items at once. What fails together is tried one by one, so that it fails alone: `fail` gets its error.

    Where `do` fails it leaves nothing behind that a second time would meet.
    """
    try:
        do(items)
    except Exception as error:
        if not isinstance(error, QwenError):
            log.exception("%d of a batch failed together", len(items))
        if len(items) == 1:
            fail(items[0], error if isinstance(error, QwenError) else ServerError())
        else:
            for item in items:
                try_together([item], do, fail)
