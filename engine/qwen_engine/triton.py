"""What all model.py files share: Triton requests in, responses out. The caller hands in `pb_utils`.

`execute` only parses and submits, and leaves requests with files to threads that read them; the engine's device thread
does the work and one response thread sends the answers, so the engine never waits for Triton and batches form across
execute calls.
"""

import json
import logging
import sys
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from qwen_engine.demo_settings import demo_settings_json
from qwen_engine.loop import EngineLoop
from qwen_engine.messages import Caller, Inputs, Messages, read_text, timings
from qwen_engine.model_spec import Immediate, ModelSpec, SequenceStep
from qwen_engine.models import MODELS
from qwen_engine.open_requests import OpenRequests, cancelled_id
from qwen_engine.readers import Readers
from qwen_engine.responder import Responder
from qwen_engine.response_queue import ResponseQueue
from qwen_engine.response_sink import NO_TIMINGS, ResponseSink
from qwen_engine.session import NO_TIME_LEFT, fail_alone
from qwen_wire.errors import DeadlineExceeded, Unavailable
from qwen_wire.tensors import ModelWire

# The device thread lets go of the interpreter in every operation. A thread that reads requests meanwhile would keep it
# for 5 ms each time, Python's default.
SWITCH_INTERVAL_S = 0.0005
CLOSE_TIMEOUT_S = 25.0
CANCEL_CHECK_S = 0.1  # so late a cancel may be heard of: to ask after it is a round trip to the server


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
        self.open_requests: OpenRequests[ResponseSink] = OpenRequests(ResponseSink.cancel)
        self.responses = ResponseQueue()
        self._readers: Readers | None = None
        if settings.num_readers:
            self._readers = Readers(settings.num_readers, settings.max_queue, settings.tenants)

    def execute(self, requests: Sequence[Any]) -> None:
        """Submit every request; its answers follow later. Returns None, as Triton asks of such models."""
        for request in requests:
            responder = Responder(self.messages, request.get_response_sender(), check_interval_s=CANCEL_CHECK_S)
            sink = ResponseSink(self.wire, self.spec, responder, self.responses, self.open_requests)
            with fail_alone(sink):
                self._answer(self.messages.inputs(request), sink, self._steps(request))

    def _answer(self, inputs: Inputs, sink: ResponseSink, steps: Sequence[SequenceStep]) -> None:
        """At once: the device need not wait until a whole batch is parsed. Files are left to the readers."""
        if self.responses.broken:
            raise Unavailable("the model has broken down; the server's log has the cause")
        if (request_id := cancelled_id(inputs)) is not None:
            sink.end("stop", {"found": self.open_requests.cancel(inputs.caller, request_id), "timings": NO_TIMINGS})
            return
        sink.register(inputs.caller)
        if self._readers is not None and self.spec.takes_long(inputs):
            self._readers.submit(inputs.caller.tenant, partial(self._read, inputs, sink))
        else:
            self._read_and_submit(inputs, sink, steps)

    def _read(self, inputs: Inputs, sink: ResponseSink) -> None:
        """On a reader's thread: nobody's file is decoded who has left, or has no time left."""
        with fail_alone(sink):
            if sink.is_disconnected():
                sink.cancel()
            elif not inputs.caller.left_s:
                raise DeadlineExceeded(NO_TIME_LEFT)
            else:
                self._read_and_submit(inputs, sink, [])

    def _read_and_submit(self, inputs: Inputs, sink: ResponseSink, steps: Sequence[SequenceStep]) -> None:
        request, sink.context = self.spec.read(inputs, *steps)
        self._submit(request, sink, inputs.caller)

    def _submit(self, request: Any, sink: ResponseSink, caller: Caller) -> None:
        if isinstance(request, Immediate):
            self._run(request, sink, caller)
        elif not sink.cancelled:  # meanwhile
            (session,) = self._loop.submit([(request, sink)], caller)
            sink.attach(session)

    def _run(self, request: Immediate, sink: ResponseSink, caller: Caller) -> None:
        if not caller.left_s:
            raise DeadlineExceeded(NO_TIME_LEFT)
        if sink.begin():
            sink.emit(request.run())
            sink.end("stop", {"timings": timings(sink.arrived_s, sink.arrived_s, time.monotonic())})
            self._loop.wake()

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
