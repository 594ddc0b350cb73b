"""Joins a decoupled Triton model to a chain: requests in, events out, all runs on one asyncio loop.

`execute` only reads requests and starts their runs. One thread sends what they emit and one asks after callers that
have left: both are round trips to Triton, for which no run should hold up the others.
"""

import asyncio
import logging
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from qwen_engine.chains.calls import Trace
from qwen_engine.chains.concurrency import ConcurrencyLimiter
from qwen_engine.chains.events import Emit, End
from qwen_engine.messages import Inputs, Messages, Outputs, numbered
from qwen_engine.open_requests import OpenRequests, cancelled_id
from qwen_engine.settings import ChainSettings
from qwen_engine.worker_thread import WorkerThread
from qwen_wire.chains import Stage
from qwen_wire.errors import QwenError, ServerError, Unavailable
from qwen_wire.tensors import ModelWire

log = logging.getLogger(__name__)

Run = Callable[[Inputs, Trace, Emit], Awaitable[End]]
"""A chain. It raises a `QwenError` to refuse a request; what fails once it has emitted, its `End` tells.

Where the caller has left, it is cancelled and lets `CancelledError` through.
"""
Encode = Callable[[Stage | End], Outputs]

LOOK_S = 0.04  # between two questions after the same caller: half a frame of speech
ASK_S = 0.002  # for each caller at least: a question costs a round trip to Triton
DRAIN_S = 15.0
CLOSE_TIMEOUT_S = 5.0
CALLS_END_S = 2.0


def encode(event: Stage | End) -> Outputs:
    """The outputs of a chain that tell of one event."""
    return {"PAYLOAD": event.payload, "EVENT": event.to_dict()}


class ChainAdapter:
    """Runs `run` for each request, as many at once as `ConcurrencyLimiter` allows at each depth of nesting.

    `encode`: the outputs that tell of an event; `index` and `time_s` are added to its EVENT.
    """

    def __init__(
        self, pb_utils: Any, wire: ModelWire, settings: ChainSettings, *, run: Run, encode: Encode = encode
    ) -> None:
        logging.basicConfig(stream=sys.stderr, level=logging.INFO, format=f"{wire.name} %(levelname)s %(message)s")
        self.pb_utils = pb_utils
        self.messages = Messages(pb_utils, wire, must_name_tenant=settings.tenants.required)
        self._run = run
        self._encode = encode
        self._limiter = ConcurrencyLimiter(settings)
        self._live: dict[_Caller, asyncio.Task[End]] = {}
        self._closing = threading.Event()
        self._stopped = threading.Event()
        self._open: OpenRequests[_Caller] = OpenRequests(self._cancel_soon)
        self._loop = asyncio.new_event_loop()
        self._sending = ThreadPoolExecutor(1, "responses")
        self._running = WorkerThread("chains", self._run_loop)
        self._looking = WorkerThread("callers", self._look_after_callers)

    def execute(self, requests: Sequence[Any]) -> None:
        """Start a run for every request; its answers follow later. Returns None, as Triton asks of such models."""
        for request in requests:
            caller = _Caller(self.messages, self._encode, request.get_response_sender())
            try:
                self._accept(caller, self.messages.inputs(request))
            except QwenError as error:
                caller.fail(error)
            except Exception:
                log.exception("a request could not be read")
                caller.fail(ServerError())

    def _accept(self, caller: "_Caller", inputs: Inputs) -> None:
        if (request_id := cancelled_id(inputs)) is not None:
            found = self._open.cancel(inputs.caller, request_id)
            self._sending.submit(caller.close, End(finish_reason="stop", details={"found": found}))
            return
        trace = Trace.read(inputs.caller.headers, inputs.caller.tenant)
        if self._closing.is_set():
            raise Unavailable("the server is shutting down")
        if self._running.broken:
            raise Unavailable("the model has broken down; the server's log has the cause")
        self._open.add(inputs.caller, caller)
        self._loop.call_soon_threadsafe(self._start, caller, inputs, trace)

    def close(self) -> None:
        """Refuse new requests, let the accepted ones finish, cancel what is left after some time."""
        self._closing.set()
        end_s = time.monotonic() + DRAIN_S
        while self._live and time.monotonic() < end_s:
            time.sleep(LOOK_S)
        for caller in list(self._live):
            self._cancel_soon(caller)
        while self._live and time.monotonic() < end_s + CLOSE_TIMEOUT_S:
            time.sleep(LOOK_S)
        self._stopped.set()
        self._looking.join(CLOSE_TIMEOUT_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._running.join(CLOSE_TIMEOUT_S)
        self._sending.shutdown()

    def _run_loop(self) -> bool:
        self._loop.run_forever()
        self._loop.run_until_complete(_calls_ended())
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()
        return False

    def _start(self, caller: "_Caller", inputs: Inputs, trace: Trace) -> None:
        self._live[caller] = run = self._loop.create_task(self._answer(caller, inputs, trace))
        run.add_done_callback(partial(self._end, caller, inputs))

    def _end(self, caller: "_Caller", inputs: Inputs, run: asyncio.Task[End]) -> None:
        """Whatever has happened to a run, also before it began, exactly one response is final."""
        self._open.remove(inputs.caller, caller)
        try:
            self._sending.submit(caller.close, _last(run))
        except RuntimeError:  # there is no thread to be had
            log.exception("an answer is sent without its thread")
            caller.close(_last(run))
        self._live.pop(caller)

    def _cancel_soon(self, caller: "_Caller") -> None:
        """Any thread."""
        self._loop.call_soon_threadsafe(self._cancel, caller)

    def _cancel(self, caller: "_Caller") -> None:
        if caller in self._live:
            self._live[caller].cancel()

    async def _answer(self, caller: "_Caller", inputs: Inputs, trace: Trace) -> End:
        one_at_a_time = asyncio.Lock()  # all runs share the thread that sends: thousands of events wait here, not there

        async def emit(event: Stage) -> None:
            async with one_at_a_time:
                await self._loop.run_in_executor(self._sending, caller.emit, event)

        async with self._limiter.one(trace.depth, trace.tenant, inputs.caller.left_s):
            caller.admitted_s = time.monotonic()
            return await self._run(inputs, trace, emit)

    def _look_after_callers(self) -> bool:
        if self._stopped.wait(max(LOOK_S, ASK_S * len(self._live))):
            return False
        for caller in list(self._live):
            if caller.has_left():
                self._cancel_soon(caller)
        return True


async def _calls_ended() -> None:
    """Calls that runs have left end by themselves, soon."""
    left = asyncio.all_tasks() - {asyncio.current_task()}
    if left:
        await asyncio.wait(left, timeout=CALLS_END_S)


def _last(run: asyncio.Task[End]) -> End | QwenError:
    if run.cancelled():
        return End(finish_reason="cancelled")
    error = run.exception()
    if error is None:
        return run.result()
    if isinstance(error, QwenError):
        return error
    log.error("a chain failed", exc_info=error)
    return ServerError()


class _Caller:
    """Who waits for the answers of one request: events are numbered and timed here, and one response is final."""

    def __init__(self, messages: Messages, encode: Encode, sender: Any) -> None:
        self._messages = messages
        self._encode = encode
        self._sender = sender
        self._began_s = time.monotonic()
        self.admitted_s: float | None = None
        self._first_event_s: float | None = None
        self._num_sent = 0
        self._has_left = False
        self._asked = True
        self._closed = False
        self._closing = threading.Lock()  # to ask after a request that is just ending can crash Triton

    def has_left(self) -> bool:
        """True once, for a caller that does not wait any more."""
        with self._closing:
            if self._closed or self._has_left or not self._asked:
                return False
            try:
                self._has_left = bool(self._sender.is_cancelled())
            except Exception:
                log.exception("Triton could not tell whether a caller has left; it is not asked again")
                self._asked = False
            return self._has_left

    def emit(self, event: Stage) -> None:
        self._first_event_s = self._first_event_s or time.monotonic()
        self._sender.send(self._response(self._encode(event)))

    def close(self, last: End | QwenError) -> None:
        """Send the final response, whatever happens."""
        try:
            if isinstance(last, QwenError):
                self.fail(last)
            else:
                self._end(self._encode(last))
        except Exception:
            log.exception("an answer could not be made or sent")
            self.fail(ServerError())

    def fail(self, error: QwenError) -> None:
        self._close(self._messages.error_response(error))

    def _end(self, outputs: Outputs) -> None:
        told = outputs["EVENT"]
        timings = {**self._timings(), **told.get("timings", {})}
        self._close(self._response({**outputs, "EVENT": {**told, "timings": timings}}))

    def _timings(self) -> dict[str, float | None]:
        """Seconds since arrival: until there was a place, until the first event (None: there was none), until now."""
        marks = {"queue_s": self.admitted_s, "first_event_s": self._first_event_s, "total_s": time.monotonic()}
        return {name: None if mark is None else round(mark - self._began_s, 4) for name, mark in marks.items()}

    def _response(self, outputs: Outputs) -> Any:
        event = {**outputs["EVENT"], "time_s": round(time.monotonic() - self._began_s, 4)}
        self._num_sent += 1
        return self._messages.response(numbered({**outputs, "EVENT": event}, self._num_sent - 1))

    def _close(self, response: Any) -> None:
        with self._closing:
            if not self._closed:
                self._closed = True
                self._messages.send_final(self._sender, response)
