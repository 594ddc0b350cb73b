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
from qwen_engine.chains.event_sinks import Emit
from qwen_engine.messages import Inputs, Messages, Outputs, timings
from qwen_engine.open_requests import OpenRequests, cancelled_id
from qwen_engine.responder import Responder
from qwen_engine.session import fail_alone
from qwen_engine.settings import ChainSettings
from qwen_engine.worker_thread import WorkerThread
from qwen_wire.chains import CancelEnd, ChainEnd, Stage
from qwen_wire.errors import QwenError, ServerError, Unavailable
from qwen_wire.tensors import ModelWire

log = logging.getLogger(__name__)

Run = Callable[[Inputs, Trace, Emit], Awaitable[ChainEnd]]
"""A chain. It raises a `QwenError` to refuse a request; what fails once it has emitted, its `ChainEnd` tells.

Where the caller has left, it is cancelled and lets `CancelledError` through.
"""
Encode = Callable[[Stage | ChainEnd], Outputs]

CANCEL_CHECK_S = 0.04  # between two checks of the same caller: half a frame of speech
MIN_CHECK_S = 0.002  # for each caller: a check costs a round trip to Triton
DRAIN_S = 15.0
CLOSE_TIMEOUT_S = 5.0
CALLS_END_S = 2.0


def encode(event: Stage | ChainEnd) -> Outputs:
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
        self._live: dict[_Request, asyncio.Task[ChainEnd]] = {}
        self._closing = threading.Event()
        self._stopped = threading.Event()
        self._open: OpenRequests[_Request] = OpenRequests(self._cancel_soon)
        self._loop = asyncio.new_event_loop()
        self._sending = ThreadPoolExecutor(1, "responses")
        self._running = WorkerThread("chains", self._run_loop)
        self._cancel_checks = WorkerThread("callers", self._check_callers)

    def execute(self, requests: Sequence[Any]) -> None:
        """Start a run for every request; its answers follow later. Returns None, as Triton asks of such models."""
        for request in requests:
            responder = Responder(self.messages, request.get_response_sender())
            with fail_alone(responder):
                self._accept(_Request(self.messages.inputs(request), responder, self._encode))

    def _accept(self, request: "_Request") -> None:
        inputs = request.inputs
        if (request_id := cancelled_id(inputs)) is not None:
            found = self._open.cancel(inputs.caller, request_id)
            self._sending.submit(request.end, CancelEnd(finish_reason="stop", found=found))
            return
        trace = Trace.read(inputs.caller.headers, inputs.caller.tenant)
        if self._closing.is_set():
            raise Unavailable("the server is shutting down")
        if self._running.broken:
            raise Unavailable("the model has broken down; the server's log has the cause")
        self._open.add(inputs.caller, request)
        self._loop.call_soon_threadsafe(self._start, request, trace)

    def close(self) -> None:
        """Refuse new requests, let the accepted ones finish, cancel what is left after some time."""
        self._closing.set()
        end_s = time.monotonic() + DRAIN_S
        while self._live and time.monotonic() < end_s:
            time.sleep(CANCEL_CHECK_S)
        for request in list(self._live):
            self._cancel_soon(request)
        while self._live and time.monotonic() < end_s + CLOSE_TIMEOUT_S:
            time.sleep(CANCEL_CHECK_S)
        self._stopped.set()
        self._cancel_checks.join(CLOSE_TIMEOUT_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._running.join(CLOSE_TIMEOUT_S)
        self._sending.shutdown()

    def _run_loop(self) -> bool:
        self._loop.run_forever()
        self._loop.run_until_complete(_calls_ended())
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()
        return False

    def _start(self, request: "_Request", trace: Trace) -> None:
        self._live[request] = run = self._loop.create_task(self._answer(request, trace))
        run.add_done_callback(partial(self._end, request))

    def _end(self, request: "_Request", run: asyncio.Task[ChainEnd]) -> None:
        """Whatever has happened to a run, also before it began, exactly one response is final."""
        self._open.remove(request.inputs.caller, request)
        try:
            self._sending.submit(request.end, _outcome(run))
        except RuntimeError:  # there is no thread to be had
            log.exception("an answer is sent without its thread")
            request.end(_outcome(run))
        self._live.pop(request)

    def _cancel_soon(self, request: "_Request") -> None:
        """Any thread."""
        self._loop.call_soon_threadsafe(self._cancel, request)

    def _cancel(self, request: "_Request") -> None:
        if request in self._live:
            self._live[request].cancel()

    async def _answer(self, request: "_Request", trace: Trace) -> ChainEnd:
        one_at_a_time = asyncio.Lock()  # all runs share the thread that sends: thousands of events wait here, not there

        async def emit(event: Stage) -> None:
            async with one_at_a_time:
                await self._loop.run_in_executor(self._sending, request.emit, event)

        async with self._limiter.one(trace.depth, trace.tenant, request.inputs.caller.left_s):
            request.admitted_s = time.monotonic()
            return await self._run(request.inputs, trace, emit)

    def _check_callers(self) -> bool:
        if self._stopped.wait(max(CANCEL_CHECK_S, MIN_CHECK_S * len(self._live))):
            return False
        for request in list(self._live):
            if not request.responder.cancelled and request.responder.is_disconnected():
                self._cancel_soon(request)
        return True


async def _calls_ended() -> None:
    """Calls that runs have left end by themselves, soon."""
    left = asyncio.all_tasks() - {asyncio.current_task()}
    if left:
        await asyncio.wait(left, timeout=CALLS_END_S)


def _outcome(run: asyncio.Task[ChainEnd]) -> ChainEnd | QwenError:
    if run.cancelled():
        return ChainEnd(finish_reason="cancelled")
    error = run.exception()
    if error is None:
        return run.result()
    if isinstance(error, QwenError):
        return error
    log.error("a chain failed", exc_info=error)
    return ServerError()


class _Request:
    """One request to a chain, whose events are timed."""

    def __init__(self, inputs: Inputs, responder: Responder, encode: Encode) -> None:
        self.inputs = inputs
        self.responder = responder
        self.admitted_s: float | None = None
        self._encode = encode
        self._arrived_s = time.monotonic()
        self._first_event_s: float | None = None

    def emit(self, event: Stage) -> None:
        self._first_event_s = self._first_event_s or time.monotonic()
        self.responder.send(self._timed(self._encode(event)))

    def end(self, outcome: ChainEnd | QwenError) -> None:
        """Send the final response, whatever happens."""
        with fail_alone(self.responder):
            if isinstance(outcome, QwenError):
                raise outcome
            outputs = self._encode(outcome)
            times = timings(self._arrived_s, self.admitted_s, self._first_event_s)
            event = {**outputs["EVENT"], "timings": {**times, **outputs["EVENT"].get("timings", {})}}
            self.responder.end(self._timed({**outputs, "EVENT": event}))

    def _timed(self, outputs: Outputs) -> Outputs:
        return {**outputs, "EVENT": {**outputs["EVENT"], "time_s": round(time.monotonic() - self._arrived_s, 4)}}
