"""What all model.py files share: Triton requests in, responses out. The caller hands in `pb_utils`.

`execute` only parses and submits, and leaves requests with files to threads that read them; the engine's device thread
does the work and one response thread sends the answers, so the engine never waits for Triton and batches form across
execute calls.
"""

import json
import logging
import math
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from qwen_engine.demo_settings import demo_settings_json
from qwen_engine.loop import NO_TIME_LEFT, EngineLoop, Session
from qwen_engine.messages import Caller, Inputs, Messages, Outputs, as_objects, numbered, read_text
from qwen_engine.model_spec import ModelSpec, Ready, SequenceStep
from qwen_engine.models import MODELS
from qwen_engine.open_requests import OpenRequests, cancelled_id
from qwen_engine.readers import Readers
from qwen_engine.response_queue import ResponseQueue
from qwen_wire.errors import Cancelled, DeadlineExceeded, QwenError, ServerError, Unavailable
from qwen_wire.messages import FinishReason
from qwen_wire.tensors import ModelWire

log = logging.getLogger(__name__)

# The device thread lets go of the interpreter in every operation. A thread that reads requests meanwhile would keep it
# for 5 ms each time, Python's default.
SWITCH_INTERVAL_S = 0.0005
CLOSE_TIMEOUT_S = 25.0
CANCEL_CHECK_S = 0.1  # so late a cancel may be heard of: to ask after it is a round trip to the server
AT_ONCE = {"queue_s": 0.0, "first_event_s": 0.0, "total_s": 0.0}


def settings_json(args: Mapping[str, str]) -> str:
    """The settings that `qwen serve` or `qwen stage` wrote into the model's config, from the `args` of `initialize`;
    else those of the demo profile."""
    parameters = json.loads(args["model_config"]).get("parameters", {})
    if "settings" not in parameters:
        return demo_settings_json(Path(args["model_repository"]))
    return parameters["settings"]["string_value"]


def serve(pb_utils: Any, args: Mapping[str, str]) -> "Adapter":
    """The model that the `args` of `initialize` name, opened with their settings. `pb_utils`: Triton's module."""
    model = MODELS[args["model_name"]]
    return Adapter(pb_utils, model.wire, model.open(settings_json(args)))


class Adapter:
    """Joins one Triton model to the engine of its `ModelSpec`, whose settings bound what waits for the engine."""

    def __init__(self, pb_utils: Any, wire: ModelWire, spec: ModelSpec) -> None:
        settings = spec.settings
        logging.basicConfig(stream=sys.stderr, level=logging.INFO, format=f"{wire.name} %(levelname)s %(message)s")
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        self.pb_utils = pb_utils
        self.wire = wire
        self.spec = spec
        self.messages = Messages(pb_utils, wire, must_name_tenant=settings.tenants.required)
        self._loop = EngineLoop(
            spec.engine, max_queue=settings.max_queue, max_wait_s=settings.max_wait_s, tenants=settings.tenants
        )
        self.open: OpenRequests[_Reply] = OpenRequests(_Reply.cancel)
        self.responses = ResponseQueue()
        self._readers: Readers | None = None
        if settings.num_readers:
            self._readers = Readers(settings.num_readers, settings.max_queue, settings.tenants)

    def execute(self, requests: Sequence[Any]) -> None:
        """Submit every request; its answers follow later. Returns None, as Triton asks of such models."""
        for request in requests:
            reply = _Reply(self, request.get_response_sender())
            with _failing(reply):
                self._answer(self.messages.inputs(request), reply, self._steps(request))

    def _answer(self, inputs: Inputs, reply: "_Reply", steps: Sequence[SequenceStep]) -> None:
        """At once: the device need not wait until a whole batch is parsed. Files are left to the readers."""
        if self.responses.broken:
            raise Unavailable("the model has broken down; the server's log has the cause")
        if (request_id := cancelled_id(inputs)) is not None:
            reply.end("stop", {"found": self.open.cancel(inputs.caller, request_id), "timings": AT_ONCE})
            return
        reply.open(inputs.caller)
        if self._readers is not None and self.spec.takes_long(inputs):
            self._readers.submit(inputs.caller.tenant, partial(self._read, inputs, reply))
        else:
            self._read_and_submit(inputs, reply, steps)

    def _read(self, inputs: Inputs, reply: "_Reply") -> None:
        """On a reader's thread: nobody's file is decoded who has left, or has no time left."""
        with _failing(reply):
            if reply.is_disconnected():
                reply.cancel()
            elif not inputs.caller.left_s:
                raise DeadlineExceeded(NO_TIME_LEFT)
            else:
                self._read_and_submit(inputs, reply, [])

    def _read_and_submit(self, inputs: Inputs, reply: "_Reply", steps: Sequence[SequenceStep]) -> None:
        request, reply.asked = self.spec.read(inputs, *steps)
        self._submit(request, reply, inputs.caller)

    def _submit(self, request: Any, reply: "_Reply", caller: Caller) -> None:
        if reply.cancelled:  # meanwhile
            return
        if isinstance(request, Ready):
            reply.emit(request.event)
            reply.end("stop", {"timings": AT_ONCE})
        else:
            (session,) = self._loop.submit([(request, reply)], caller)
            reply.hold(session)

    def close(self) -> None:
        """Finish what was accepted, then stop all threads."""
        if self._readers is not None:
            self._readers.close(CLOSE_TIMEOUT_S)
        self._loop.close(CLOSE_TIMEOUT_S)
        self.responses.close()
        self.spec.close()

    def _steps(self, request: Any) -> list[SequenceStep]:
        if not self.wire.sequences:
            return []
        flags = request.flags()
        start = bool(flags & self.pb_utils.TRITONSERVER_REQUEST_FLAG_SEQUENCE_START)
        end = bool(flags & self.pb_utils.TRITONSERVER_REQUEST_FLAG_SEQUENCE_END)
        return [SequenceStep(read_text(request.correlation_id, "the sequence_id of the request"), start, end)]


@contextmanager
def _failing(reply: "_Reply") -> Iterator[None]:
    """What goes wrong before a request is submitted ends it."""
    try:
        yield
    except QwenError as error:
        reply.fail(error)
    except BaseException:  # on a reader's thread nothing else would end the request
        log.exception("a request could not be read")
        reply.fail(ServerError())


class _Reply:
    """The sink of one request. Called by the device thread, it answers on the response thread:
    events are numbered there, and exactly one response is final."""

    def __init__(self, adapter: Adapter, sender: Any) -> None:
        self.asked: Any = None
        self._caller = Caller()
        self._session: Session | None = None
        self._adapter = adapter
        self._spec = adapter.spec
        self._response = adapter.messages.response
        self._sender = sender
        self._num_sent = 0
        self._events: list[Any] = []  # of an answer that is to come whole
        self._closed = False
        self._next_check_s = 0.0
        self.cancelled = False
        self._closing = threading.Lock()  # to ask after a request that is just ending can crash Triton

    def open(self, caller: Caller) -> None:
        """From now on others can `cancel` it."""
        self._caller = caller
        self._adapter.open.add(caller, self)

    def hold(self, session: Session) -> None:
        """What `cancel` is to end."""
        self._session = session
        if self.cancelled:
            session.cancel()

    def cancel(self) -> None:
        """End the request: at the engine's next step, or at once where it has not come as far. Any thread."""
        self.cancelled = True
        if self._session is not None:
            self._session.cancel()
        else:
            self.end("cancelled", {"timings": AT_ONCE})

    def is_disconnected(self) -> bool:
        with self._closing:
            if not self._closed and not self.cancelled and time.monotonic() >= self._next_check_s:
                self._next_check_s = time.monotonic() + CANCEL_CHECK_S
                self.cancelled = self._has_left()
            return self.cancelled

    def _has_left(self) -> bool:
        try:
            return bool(self._sender.is_cancelled())
        except Exception:
            log.exception("Triton could not tell whether a caller has left; it is not asked again")
            self._next_check_s = math.inf
            return False

    def emit(self, event: Any) -> None:
        self._adapter.responses.put_event(partial(self._guarded, self._emit, event))

    def end(self, reason: FinishReason, closing: dict[str, Any]) -> None:
        self._adapter.responses.put(partial(self._guarded, self._end, reason, closing))

    def fail(self, error: QwenError) -> None:
        self._adapter.responses.put(partial(self._guarded, self._fail, error))

    def _guarded(self, answer: Callable[..., None], *args: Any) -> None:
        """A failing answer ends its own request and no other's."""
        if self._closed:
            return
        try:
            answer(*args)
        except BaseException:  # on its thread nothing else would end the request
            log.exception("an answer could not be made or sent")
            self.cancel()
            self._close(self._adapter.messages.error_response(ServerError()))

    def _emit(self, event: Any) -> None:
        if not self._streams:
            self._events.append(event)
            return
        self._sender.send(self._response(self._numbered(self._encoded(event))))
        if self.is_disconnected():
            self.cancel()

    @property
    def _streams(self) -> bool:
        return self._adapter.wire.decoupled and (self.asked is None or self.asked.stream)

    def _end(self, reason: FinishReason, closing: dict[str, Any]) -> None:
        if reason == "cancelled" and not self._streams:
            self._fail(Cancelled("the request was cancelled"))
            return
        *payloads, last = self._adapter.wire.outputs
        unsent = self._unsent()  # before the closing, which may depend on what was told
        own = {} if self.asked is None else self._spec.encode_end(closing, self.asked)  # None: a request to cancel
        outputs: Outputs = {**dict.fromkeys(payloads, b""), last: {}, **unsent, **own}
        told = {**outputs[last], "finish_reason": reason, **closing}
        if self._adapter.wire.decoupled:
            self._close(self._response(self._numbered({**outputs, last: {**told, "type": "end"}})))
        else:
            self._close(self._response({**outputs, last: told}))

    def _unsent(self) -> Outputs:
        """What of the answer comes with its end."""
        return self._encoded(self._spec.join(self._events)) if self._events else {}

    def _encoded(self, event: Any) -> Outputs:
        return as_objects(self._spec.encode(event, self.asked))

    def _fail(self, error: QwenError) -> None:
        self._close(self._adapter.messages.error_response(error))

    def _close(self, response: Any) -> None:
        self._adapter.open.remove(self._caller, self)
        with self._closing:
            self._closed = True
            self._adapter.messages.send_final(self._sender, response)

    def _numbered(self, outputs: Outputs) -> Outputs:
        self._num_sent += 1
        return numbered(outputs, self._num_sent - 1)
