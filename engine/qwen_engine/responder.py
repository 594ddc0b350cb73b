"""What is sent to Triton for one request: responses in order, the last of them final, whatever happens."""

import logging
import math
import threading
import time
from typing import Any

from qwen_engine.messages import Messages, Outputs
from qwen_wire.errors import QwenError

log = logging.getLogger(__name__)


class Responder:
    """Answers one request through Triton's `sender`. Any thread; responses are sent by one at a time.

    To check whether the caller has left costs a round trip to Triton: at most one in `check_interval_s`.
    """

    def __init__(self, messages: Messages, sender: Any, *, check_interval_s: float = 0.0) -> None:
        self.cancelled = False
        self._messages = messages
        self._sender = sender
        self._check_interval_s = check_interval_s
        self._next_check_s = 0.0
        self._num_sent = 0
        self._ended = False
        self._ending = threading.Lock()  # to ask after a request that is just ending can crash Triton

    @property
    def ended(self) -> bool:
        """The final response is on its way, or sent."""
        return self._ended

    def is_disconnected(self) -> bool:
        """Whether the caller has left, or the request was `cancelled` otherwise."""
        with self._ending:
            if not self._ended and not self.cancelled and time.monotonic() >= self._next_check_s:
                self._next_check_s = time.monotonic() + self._check_interval_s
                self.cancelled = self._has_left()
            return self.cancelled

    def send(self, outputs: Outputs) -> None:
        """One response of several. Raises what Triton does."""
        self._sender.send(self._response(outputs))

    def end(self, outputs: Outputs) -> None:
        """The final response; nothing, where there was one. Raises where the outputs make no response."""
        self._close(self._response(outputs))

    def fail(self, error: QwenError) -> None:
        """As `end`, with an error."""
        self._close(self._messages.error_response(error))

    def _response(self, outputs: Outputs) -> Any:
        """Its EVENT is numbered where there may be several."""
        if self._messages.wire.decoupled:
            outputs = {**outputs, "EVENT": {**outputs["EVENT"], "index": self._num_sent}}
            self._num_sent += 1
        return self._messages.response(outputs)

    def _close(self, response: Any) -> None:
        with self._ending:
            if not self._ended:
                self._ended = True
                self._messages.send_final(self._sender, response)

    def _has_left(self) -> bool:
        try:
            return bool(self._sender.is_cancelled())
        except Exception:
            log.exception("Triton could not tell whether a caller has left; it is not asked again")
            self._next_check_s = math.inf
            return False
