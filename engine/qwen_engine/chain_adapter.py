"""Joins a decoupled Triton model to a chain: requests in, events out, all runs on one asyncio loop.

`execute` only reads requests and starts their runs. One thread sends what they emit and one asks after callers that
have left: both are round trips to Triton, for which no run should hold up the others.
"""

import asyncio
import json
import logging
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from qwen_engine.chains.calls import Trace
from qwen_engine.chains.events import ChainEvent, Emit, End
from qwen_engine.chains.places import Places
from qwen_engine.errors import EngineError, Internal, Unavailable
from qwen_engine.messages import Inputs, Messages, numbered
from qwen_engine.settings import ChainSettings
from qwen_engine.wire import ModelWire

log = logging.getLogger(__name__)

Run = Callable[[Inputs, Trace, Emit], Awaitable[End]]
"""A chain. It raises an `EngineError` to refuse a request; what fails once it has emitted, its `End` tells.

Where the caller has left, it is cancelled and lets `CancelledError` through.
"""

LOOK_S = 0.04  # between two questions after the same caller: half a frame of speech
ASK_S = 0.002  # for each caller at least: a question costs a round trip to Triton
DRAIN_S = 15.0
CLOSE_TIMEOUT_S = 5.0


class ChainAdapter:
    """Runs `run` for each request, up to `settings.max_runs` at once at each depth of nesting; see `Places`."""

    def __init__(self, pb_utils: Any, wire: ModelWire, settings: ChainSettings, *, run: Run) -> None:
        logging.basicConfig(stream=sys.stderr, level=logging.INFO, format=f"{wire.name} %(levelname)s %(message)s")
        self.pb_utils = pb_utils
        self.messages = Messages(pb_utils, wire)
        self._run = run
        self._places = Places(settings)
        self._live: dict[_Caller, asyncio.Task[None]] = {}
        self._closing = threading.Event()
        self._stopped = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._sending = ThreadPoolExecutor(1, "responses")
        self._running = threading.Thread(target=self._run_loop, name="chains", daemon=True)
        self._looking = threading.Thread(target=self._look_after_callers, name="callers", daemon=True)
        self._running.start()
        self._looking.start()

    def execute(self, requests: Sequence[Any]) -> None:
        """Start a run for every request; its answers follow later. Returns None, as Triton asks of such models."""
        for request in requests:
            caller = _Caller(self.messages, request.get_response_sender(), self.pb_utils)
            try:
                inputs, trace = self.messages.inputs(request), Trace.read(json.loads(request.parameters()))
                if self._closing.is_set():
                    raise Unavailable("the server is shutting down")
            except EngineError as error:
                caller.fail(error)
            except Exception:
                log.exception("a request could not be read")
                caller.fail(Internal())
            else:
                self._loop.call_soon_threadsafe(self._start, caller, inputs, trace)

    def close(self) -> None:
        """Refuse new requests, let the accepted ones finish, cancel what is left after some time."""
        self._closing.set()
        end_s = time.monotonic() + DRAIN_S
        while self._live and time.monotonic() < end_s:
            time.sleep(LOOK_S)
        for caller in list(self._live):
            self._loop.call_soon_threadsafe(self._cancel, caller)
        while self._live and time.monotonic() < end_s + CLOSE_TIMEOUT_S:
            time.sleep(LOOK_S)
        self._stopped.set()
        self._looking.join(CLOSE_TIMEOUT_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._running.join(CLOSE_TIMEOUT_S)
        self._sending.shutdown()

    def _run_loop(self) -> None:
        self._loop.run_forever()
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    def _start(self, caller: "_Caller", inputs: Inputs, trace: Trace) -> None:
        self._live[caller] = run = self._loop.create_task(self._answer(caller, inputs, trace))
        run.add_done_callback(lambda _: self._live.pop(caller))

    def _cancel(self, caller: "_Caller") -> None:
        if caller in self._live:
            self._live[caller].cancel()

    async def _answer(self, caller: "_Caller", inputs: Inputs, trace: Trace) -> None:
        """Run the chain; whatever happens, exactly one response is final."""

        async def emit(event: ChainEvent) -> None:
            await self._loop.run_in_executor(self._sending, caller.emit, event)

        last: End | EngineError = Internal()
        try:
            async with self._places.one(trace.depth):
                caller.admitted_s = time.monotonic()
                last = await self._run(inputs, trace, emit)
        except EngineError as error:
            last = error
        except asyncio.CancelledError:
            last = End(finish_reason="cancelled")
            raise
        except Exception:
            log.exception("a chain failed")
        finally:  # not awaited, so that no cancel can come in between
            self._sending.submit(caller.close, last)

    def _look_after_callers(self) -> None:
        while not self._stopped.wait(max(LOOK_S, ASK_S * len(self._live))):
            for caller in list(self._live):
                if caller.has_left():
                    self._loop.call_soon_threadsafe(self._cancel, caller)


class _Caller:
    """Who waits for the answers of one request: events are numbered and timed here, and one response is final."""

    def __init__(self, messages: Messages, sender: Any, pb_utils: Any) -> None:
        self._messages = messages
        self._sender = sender
        self._final = pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL
        self._began_s = time.monotonic()
        self.admitted_s: float | None = None
        self._first_event_s: float | None = None
        self._num_sent = 0
        self._has_left = False
        self._closed = False
        self._closing = threading.Lock()  # to ask after a request that is just ending can crash Triton

    def has_left(self) -> bool:
        """True once, for a caller that does not wait any more."""
        with self._closing:
            if self._closed or self._has_left:
                return False
            self._has_left = bool(self._sender.is_cancelled())
            return self._has_left

    def emit(self, event: ChainEvent) -> None:
        self._first_event_s = self._first_event_s or time.monotonic()
        self._sender.send(self._response(event.told(), event.payload))

    def close(self, last: End | EngineError) -> None:
        """Send the final response, whatever happens."""
        try:
            if isinstance(last, EngineError):
                self.fail(last)
            else:
                self._end(last.told())
        except Exception:
            log.exception("an answer could not be made or sent")
            self.fail(Internal())

    def fail(self, error: EngineError) -> None:
        self._close(self._messages.error_response(error))

    def _end(self, told: dict[str, Any]) -> None:
        self._close(self._response({**told, "timings": {**self._timings(), **told.get("timings", {})}}, b""))

    def _timings(self) -> dict[str, float | None]:
        """Seconds since arrival: until there was a place, until the first event (None: there was none), until now."""
        marks = {"queue_s": self.admitted_s, "first_event_s": self._first_event_s, "total_s": time.monotonic()}
        return {name: None if mark is None else round(mark - self._began_s, 4) for name, mark in marks.items()}

    def _response(self, told: dict[str, Any], payload: bytes) -> Any:
        event = {**told, "time_s": round(time.monotonic() - self._began_s, 4)}
        self._num_sent += 1
        return self._messages.response(numbered({"PAYLOAD": payload, "EVENT": event}, self._num_sent - 1))

    def _close(self, response: Any) -> None:
        with self._closing:
            if not self._closed:
                self._closed = True
                self._sender.send(response, flags=self._final)
