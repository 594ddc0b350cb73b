"""Answers on their way to Triton, in order, on a thread of their own: each is a round trip to the server."""

import queue
import threading
from collections.abc import Callable

from qwen_engine.worker_thread import WorkerThread

MAX_UNSENT = 4096
PATIENCE_S = 60.0

Send = Callable[[], None]


class ResponseQueue:
    """Calls what is `put`. What it raises is logged; the next ones follow.

    Example:
        responses.put_event(partial(sender.send, event))
        responses.put(partial(sender.send, end, flags=FINAL))
    """

    def __init__(self) -> None:
        self._unsent: queue.SimpleQueue[Send | None] = queue.SimpleQueue()
        self._room = threading.Semaphore(MAX_UNSENT)
        self._patience_s = PATIENCE_S
        self._thread = WorkerThread("responses", self._send_next, fail=self._send_rest)

    @property
    def broken(self) -> bool:
        """The thread has ended: who puts something sends it."""
        return self._thread.broken

    def put(self, send: Send) -> None:
        """The end of a request, for which there is always room: there are no more ends than requests."""
        if self.broken:
            send()
        else:
            self._unsent.put(send)

    def put_event(self, send: Send) -> None:
        """Raises `TimeoutError` where Triton takes nothing for a minute; from then on at once, until it does again."""
        if not self._room.acquire(timeout=self._patience_s):
            self._patience_s = 0.0
            raise TimeoutError(f"Triton took no response for {PATIENCE_S:g} s")
        self._patience_s = PATIENCE_S
        self.put(lambda: self._send_event(send))

    def close(self) -> None:
        """Send what is there, then end."""
        self._unsent.put(None)
        self._thread.join(PATIENCE_S)

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
        """Where the thread has ended, what waits is sent by its last act."""
        while self.broken and not self._unsent.empty():
            self._send_next()
