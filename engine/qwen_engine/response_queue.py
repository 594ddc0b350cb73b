"""Sends responses to Triton, in order, on a thread of its own: each is a round trip to the server."""

import queue
import threading
from collections.abc import Callable

from qwen_engine.worker_thread import WorkerThread

MAX_UNSENT = 4096
SEND_TIMEOUT_S = 60.0

Send = Callable[[], None]


class ResponseQueue:
    """Calls what is `put`. Errors are logged; the next ones follow.

    Example:
        responses.put_event(partial(sender.send, event))
        responses.put(partial(sender.send, end, flags=FINAL))
    """

    def __init__(self) -> None:
        self._unsent: queue.SimpleQueue[Send | None] = queue.SimpleQueue()
        self._room = threading.Semaphore(MAX_UNSENT)
        self._timeout_s = SEND_TIMEOUT_S
        self._thread = WorkerThread("responses", self._send_next, fail=self._send_rest)

    @property
    def broken(self) -> bool:
        """The thread has ended: `put` sends directly."""
        return self._thread.broken

    def put(self, send: Send) -> None:
        """Queue the end of a request, for which there is always room: there are no more ends than requests."""
        if self.broken:
            send()
        else:
            self._unsent.put(send)

    def put_event(self, send: Send) -> None:
        """Queue an event. Raises `TimeoutError` if Triton takes nothing for a minute; then at once, until it does."""
        if not self._room.acquire(timeout=self._timeout_s):
            self._timeout_s = 0.0
            raise TimeoutError(f"Triton took no response for {SEND_TIMEOUT_S:g} s")
        self._timeout_s = SEND_TIMEOUT_S
        self.put(lambda: self._send_event(send))

    def close(self) -> None:
        """Send what is queued, then end."""
        self._unsent.put(None)
        self._thread.join(SEND_TIMEOUT_S)

    def _send_event(self, send: Send) -> None:
        try:
            send()
        finally:
            self._room.release()

    def _send_next(self) -> bool:
        if (send := self._unsent.get()) is None:
            return False
        send()
        return True

    def _send_rest(self) -> None:
        """As the last act of a thread that has broken down, send what is queued."""
        while self.broken and not self._unsent.empty():
            self._send_next()
