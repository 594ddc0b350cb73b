"""From the events of a session to the responses of its request, on the thread that sends them."""

import logging
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from qwen_engine.messages import Caller, Outputs, as_objects
from qwen_engine.model_spec import ModelSpec
from qwen_engine.open_requests import OpenRequests
from qwen_engine.responder import Responder
from qwen_engine.response_queue import ResponseQueue
from qwen_engine.session import Session
from qwen_wire.errors import Cancelled, QwenError, ServerError
from qwen_wire.messages import FinishReason
from qwen_wire.tensors import ModelWire

log = logging.getLogger(__name__)

NO_TIMINGS = {"queue_s": 0.0, "first_event_s": 0.0, "total_s": 0.0}


class ResponseSink:
    """The sink of one request. Other requests can cancel it from `register` on, until `begin`."""

    def __init__(
        self,
        wire: ModelWire,
        spec: ModelSpec,
        responder: Responder,
        responses: ResponseQueue,
        open_requests: OpenRequests["ResponseSink"],
    ) -> None:
        self.context: Any = None
        self.arrived_s = time.monotonic()
        self._wire = wire
        self._spec = spec
        self._responder = responder
        self._responses = responses
        self._open_requests = open_requests
        self._caller = Caller()
        self._session: Session | None = None
        self._unsent_events: list[Any] = []  # of an answer that is to come whole
        self._begun = False
        self._beginning = threading.Lock()

    @property
    def cancelled(self) -> bool:
        return self._responder.cancelled

    def register(self, caller: Caller) -> None:
        """Let requests of the same tenant cancel it by its id."""
        self._caller = caller
        self._open_requests.add(caller, self)

    def attach(self, session: Session) -> None:
        """The session that `cancel` ends."""
        self._session = session
        if self.cancelled:
            session.cancel()

    def begin(self) -> bool:
        """False where it was cancelled; from now on it cannot be."""
        with self._beginning:
            self._begun = not self.cancelled
            return self._begun

    def cancel(self) -> None:
        """End the request: at the engine's next step, or at once where it has not come as far. Any thread."""
        with self._beginning:
            if self._begun:
                return
            self._responder.cancelled = True
        if self._session is not None:
            self._session.cancel()
        else:
            self.end("cancelled", {"timings": NO_TIMINGS})

    def is_disconnected(self) -> bool:
        return self._responder.is_disconnected()

    def emit(self, event: Any) -> None:
        self._responses.put_event(partial(self._guarded, self._emit, event))

    def end(self, reason: FinishReason, closing: dict[str, Any]) -> None:
        self._responses.put(partial(self._guarded, self._end, reason, closing))

    def fail(self, error: QwenError) -> None:
        self._responses.put(partial(self._guarded, self._fail, error))

    def _guarded(self, answer: Callable[..., None], *args: Any) -> None:
        """A failing answer ends its own request and no other's."""
        if self._responder.ended:
            return
        try:
            answer(*args)
        except BaseException:  # on its thread nothing else would end the request
            log.exception("an answer could not be made or sent")
            self.cancel()
            self._fail(ServerError())

    def _emit(self, event: Any) -> None:
        if not self._streams:
            self._unsent_events.append(event)
            return
        self._responder.send(self._encoded(event))
        if self.is_disconnected():
            self.cancel()

    @property
    def _streams(self) -> bool:
        return self._wire.decoupled and (self.context is None or self.context.stream)

    def _end(self, reason: FinishReason, closing: dict[str, Any]) -> None:
        if reason == "cancelled" and not self._streams:
            self._fail(Cancelled("the request was cancelled"))
            return
        *payloads, last = self._wire.outputs
        unsent = self._encoded(self._spec.join(self._unsent_events)) if self._unsent_events else {}
        own = {} if self.context is None else self._spec.encode_end(closing, self.context)  # None: a request to cancel
        outputs: Outputs = {**dict.fromkeys(payloads, b""), last: {}, **unsent, **own}
        result = {**outputs[last], "finish_reason": reason, **closing}
        if self._wire.decoupled:
            result["type"] = "end"
        self._open_requests.remove(self._caller, self)
        self._responder.end({**outputs, last: result})

    def _fail(self, error: QwenError) -> None:
        self._open_requests.remove(self._caller, self)
        self._responder.fail(error)

    def _encoded(self, event: Any) -> Outputs:
        return as_objects(self._spec.encode(event, self.context))
