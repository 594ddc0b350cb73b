"""The responses of one blocking stream, read one after another until its end, also where it is left before."""

import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import grpc

from qwen_client.readers import Readers


class BlockingCall:
    """`read` its responses. To `close` it early has the server end it (`cancel`), and reads what it still says."""

    def __init__(self, call: Any, cancel: Callable[[Any], None], readers: Readers) -> None:
        self._call = call
        self._cancel = cancel
        self._readers = readers
        self._pending: Future[Any] | None = None
        self._reading = threading.RLock()
        self.was_left = False
        self.is_over = False

    def read(self) -> Any:
        """The next response; None: there is none. Raises what gRPC raises."""
        with self._reading:
            return None if self.was_left or self.is_over else self._next()

    def begin_close(self) -> None:
        """Have it end."""
        if not self.is_over and not self.was_left:
            self.was_left = True
            self._cancel(self._call)

    def close(self) -> None:
        """Have it end, and wait for that."""
        self.begin_close()
        try:
            self._read_out()
        except BaseException:  # Ctrl-C, once more
            self._readers.submit(self._read_out)
            raise

    def abandon(self) -> None:
        """Have it end, without waiting."""
        if not self.is_over and not self.was_left:
            self._readers.submit(self.close)

    def _read_out(self) -> None:
        with self._reading, contextlib.suppress(grpc.RpcError, grpc.FutureCancelledError):
            while not self.is_over:
                self._next()

    def _next(self) -> Any:
        try:
            response = self._wait()
        except (grpc.RpcError, grpc.FutureCancelledError):
            self.is_over = True
            raise
        self.is_over = response is None
        return response

    def _wait(self) -> Any:
        """The main thread has another one read: a Ctrl-C is to end its waiting, not the reading."""
        if self._pending is None and threading.current_thread() is threading.main_thread():
            self._pending = self._readers.submit(next, self._call, None)
        if self._pending is None:
            return next(self._call, None)
        response = self._pending.result()
        self._pending = None
        return response


class BlockingAnswer:
    """The one response of a call that is no stream, cancelled alike."""

    def __init__(self, call: Any, cancel: Callable[[Any], None]) -> None:
        self._call = call
        self._cancel = cancel
        self._was_left = False

    def result(self) -> Any:
        """Wait for it. Raises what gRPC raises."""
        try:
            return self._call.result()
        except (grpc.RpcError, grpc.FutureCancelledError):
            raise
        except BaseException:  # Ctrl-C
            self.close()
            raise

    def begin_close(self) -> None:
        """Have it end."""
        if not self._was_left and not self._call.done():
            self._was_left = True
            self._cancel(self._call)

    def close(self) -> None:
        """Have it end, and wait for that."""
        self.begin_close()
        with contextlib.suppress(grpc.RpcError, grpc.FutureCancelledError):
            self._call.result()
