"""What all model.py files share: Triton requests in, responses out. The caller hands in `pb_utils`.

`execute` only parses and submits; the engine's device thread does the work and one response thread
sends the answers, so the engine never waits for Triton and batches form across execute calls.
"""

import json
import logging
import queue
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from qwen_engine.errors import Cancelled, EngineError, Internal
from qwen_engine.loop import EngineLoop, FinishReason, Model, Session
from qwen_engine.messages import Inputs, Messages, Outputs, numbered
from qwen_engine.settings import ModelSettings
from qwen_engine.wire import ModelWire

__all__ = ["Adapter", "Inputs", "Outputs", "Ready", "SequenceStep", "settings_json"]  # what a model.py needs

log = logging.getLogger(__name__)

Parse = Callable[..., tuple[Any, Any]]
Encode = Callable[[Any, Any], Outputs]

MAX_UNSENT = 4096
SEND_TIMEOUT_S = 60.0
# The device thread lets go of the interpreter in every operation. A thread that reads requests meanwhile would keep it
# for 5 ms each time, Python's default.
SWITCH_INTERVAL_S = 0.0005
CLOSE_TIMEOUT_S = 25.0
CANCEL_CHECK_S = 0.1  # so late a cancel may be heard of: to ask after it is a round trip to the server
AT_ONCE = {"queue_s": 0.0, "first_event_s": 0.0, "total_s": 0.0}


def settings_json(args: Mapping[str, str]) -> str:
    """The settings that `qwen serve` wrote into the model's config, from the `args` of `initialize`."""
    parameters = json.loads(args["model_config"]).get("parameters", {})
    if "settings" not in parameters:
        raise ValueError("config.pbtxt has no parameter 'settings'; start the server with `qwen serve`")
    return parameters["settings"]["string_value"]


@dataclass(frozen=True)
class Ready:
    """In place of a request: an event that needs no engine."""

    event: Any


@dataclass(frozen=True)
class SequenceStep:
    """Whose sequence a request belongs to, and whether it starts it, ends it, or both."""

    sequence_id: int | str
    start: bool
    end: bool


class Adapter:
    """Joins one Triton model to one engine.

    `parse` turns a request's input payloads into an engine request (or what is `Ready`) and what `encode` needs to know
    of it, such as its options; it may raise `InvalidRequest`. For a model with sequences it takes the request's
    `SequenceStep`, too. `encode` turns an engine event into payloads. `settings` bound what waits for the engine.
    """

    def __init__(
        self, pb_utils: Any, wire: ModelWire, model: Model, settings: ModelSettings, *, parse: Parse, encode: Encode
    ) -> None:
        logging.basicConfig(stream=sys.stderr, level=logging.INFO, format=f"{wire.name} %(levelname)s %(message)s")
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        self.pb_utils = pb_utils
        self.wire = wire
        self.encode = encode
        self.messages = Messages(pb_utils, wire)
        self._parse = parse
        self._loop = EngineLoop(model, max_queue=settings.max_queue, max_wait_s=settings.max_wait_s)
        self._unsent: queue.Queue[Callable[[], None] | None] = queue.Queue(MAX_UNSENT)
        self._sending = threading.Thread(target=self._send_all, name="responses", daemon=True)
        self._sending.start()

    def execute(self, requests: Sequence[Any]) -> None:
        """Submit every request; its answers follow later. Returns None, as Triton asks of such models."""
        for request in requests:
            reply = _Reply(self, request.get_response_sender())
            try:
                parsed, reply.asked = self._parse(self.messages.inputs(request), *self._steps(request))
            except EngineError as error:
                reply.fail(error)
            except Exception:
                log.exception("a request could not be parsed")
                reply.fail(Internal())
            else:  # at once: the device need not wait until the whole batch is parsed
                self._submit(parsed, reply)

    def _submit(self, parsed: Any, reply: "_Reply") -> None:
        if isinstance(parsed, Ready):
            reply.emit(parsed.event)
            reply.end("stop", {"timings": AT_ONCE})
        else:
            (reply.session,) = self._loop.submit([(parsed, reply)])

    def close(self) -> None:
        """Finish what was accepted, then stop both threads."""
        self._loop.close(CLOSE_TIMEOUT_S)
        self._unsent.put(None, timeout=SEND_TIMEOUT_S)
        self._sending.join(SEND_TIMEOUT_S)

    def enqueue(self, send: Callable[[], None]) -> None:
        """Have the response thread call `send`, after all that came before."""
        self._unsent.put(send, timeout=SEND_TIMEOUT_S)

    def _steps(self, request: Any) -> list[SequenceStep]:
        if not self.wire.sequences:
            return []
        flags = request.flags()
        start = bool(flags & self.pb_utils.TRITONSERVER_REQUEST_FLAG_SEQUENCE_START)
        end = bool(flags & self.pb_utils.TRITONSERVER_REQUEST_FLAG_SEQUENCE_END)
        return [SequenceStep(request.correlation_id(), start, end)]

    def _send_all(self) -> None:
        while (send := self._unsent.get()) is not None:
            send()


class _Reply:
    """The sink of one request. Called by the device thread, it answers on the response thread:
    events are numbered there, and exactly one response is final."""

    def __init__(self, adapter: Adapter, sender: Any) -> None:
        self.asked: Any = None
        self.session: Session | None = None
        self._adapter = adapter
        self._response = adapter.messages.response
        self._sender = sender
        self._num_sent = 0
        self._result: Outputs = {}
        self._closed = False
        self._next_check_s = 0.0
        self._cancelled = False
        self._closing = threading.Lock()  # to ask after a request that is just ending can crash Triton

    def abandoned(self) -> bool:
        with self._closing:
            if not self._closed and time.monotonic() >= self._next_check_s:
                self._cancelled = bool(self._sender.is_cancelled())
                self._next_check_s = time.monotonic() + CANCEL_CHECK_S
            return self._cancelled

    def emit(self, event: Any) -> None:
        self._adapter.enqueue(partial(self._guarded, self._emit, event))

    def end(self, reason: FinishReason, closing: dict[str, Any]) -> None:
        self._adapter.enqueue(partial(self._guarded, self._end, reason, closing))

    def fail(self, error: EngineError) -> None:
        self._adapter.enqueue(partial(self._guarded, self._fail, error))

    def _guarded(self, answer: Callable[..., None], *args: Any) -> None:
        """A failing answer ends its own request and no other's."""
        if self._closed:
            return
        try:
            answer(*args)
        except Exception:
            log.exception("an answer could not be made or sent")
            self._cancel()
            self._close(self._adapter.messages.error_response(Internal()))

    def _emit(self, event: Any) -> None:
        self._result = self._adapter.encode(event, self.asked)
        if not self._adapter.wire.decoupled:
            return
        self._sender.send(self._response(self._numbered(self._result)))
        if self.abandoned():
            self._cancel()

    def _end(self, reason: FinishReason, closing: dict[str, Any]) -> None:
        closing = {"finish_reason": reason, **closing}
        if self._adapter.wire.decoupled:
            nothing: Outputs = dict.fromkeys(self._adapter.wire.outputs, b"")
            self._close(self._response(self._numbered({**nothing, "EVENT": {"type": "end", **closing}})))
        elif reason == "cancelled":
            self._fail(Cancelled("the request was cancelled"))
        else:
            last = self._adapter.wire.outputs[-1]
            self._close(self._response({**self._result, last: {**self._result[last], **closing}}))

    def _fail(self, error: EngineError) -> None:
        self._close(self._adapter.messages.error_response(error))

    def _close(self, response: Any) -> None:
        with self._closing:
            self._closed = True
            self._sender.send(response, flags=self._adapter.pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)

    def _cancel(self) -> None:
        if self.session is not None:
            self.session.cancel()

    def _numbered(self, outputs: Outputs) -> Outputs:
        self._num_sent += 1
        return numbered(outputs, self._num_sent - 1)
