"""The responses of one asyncio stream, read one after another until its end, also where it is left before.

gRPC would cancel the RPC with the task that waits for a response. So responses are read by tasks of their own.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import grpc

ReadOut = Callable[[], Coroutine[Any, Any, None]]


class AsyncCall:
    """As `BlockingCall`. `cancel` has the server end the call, calls `read_out`, and returns the task that does so."""

    def __init__(self, call: Any, cancel: Callable[[Any, ReadOut], asyncio.Task[None]]) -> None:
        self._call = call
        self._cancel = cancel
        self._loop = asyncio.get_running_loop()
        self._pending: asyncio.Task[Any] | None = None
        self._closing: asyncio.Task[None] | None = None
        self.is_over = False

    @property
    def was_left(self) -> bool:
        return self._closing is not None

    async def read(self) -> Any:
        """As `BlockingCall.read`."""
        return None if self.was_left or self.is_over else await self._next()

    def begin_close(self) -> None:
        """Have it end."""
        if self._closing is None and not self.is_over:
            self._closing = self._cancel(self._call, self._read_out)

    async def close(self) -> None:
        """As `BlockingCall.close`. Cancelled meanwhile, it waits no longer, but the call ends all the same."""
        self.begin_close()
        if self._closing is not None:
            await asyncio.shield(self._closing)

    def abandon(self) -> None:
        """Have it end, without waiting. Any thread."""
        if self._closing is None and not self.is_over and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.begin_close)

    async def _read_out(self) -> None:
        while not self.is_over:
            await self._next()

    async def _next(self) -> Any:
        pending = self._pending = self._pending or asyncio.create_task(_read(self._call))
        try:
            response = await asyncio.shield(pending)
        except grpc.RpcError:
            self.is_over = True
            raise
        except asyncio.CancelledError:
            if not pending.done() or _is_being_cancelled():
                raise
            response = None  # it was the RPC that somebody cancelled
        if pending is self._pending:  # else somebody else has waited for it, too
            self._pending = None
        self.is_over = self.is_over or response is None
        return response


class AsyncAnswer:
    """The one response of a call that is no stream, cancelled alike."""

    def __init__(self, call: Any, cancel: Callable[[Any, ReadOut], asyncio.Task[None]]) -> None:
        self._call = call
        self._cancel = cancel
        self._coming = asyncio.create_task(_answer(call))
        self._was_left = False

    async def result(self) -> Any:
        """Wait for it. Raises what gRPC raises."""
        try:
            return await asyncio.shield(self._coming)
        except asyncio.CancelledError:
            if self._coming.done() and not _is_being_cancelled():
                raise grpc.FutureCancelledError from None  # it was the RPC that somebody cancelled
            self.begin_close()
            raise

    def begin_close(self) -> None:
        """Have it end."""
        if not self._was_left and not self._coming.done():
            self._was_left = True
            self._cancel(self._call, self._read_out)

    async def _read_out(self) -> None:
        await asyncio.wait({self._coming})
        if not self._coming.cancelled():
            self._coming.exception()  # seen, or else asyncio tells of it


async def _answer(call: Any) -> Any:
    return await call


async def _read(call: Any) -> Any:
    response = await call.read()
    return None if response is grpc.aio.EOF else response


def _is_being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
