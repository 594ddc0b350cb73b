"""Asyncio calls that are being cancelled; see `cancel_requests.py`."""

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any

import grpc
from tritonclient.grpc import service_pb2

from qwen_client.async_call import ReadOut
from qwen_client.cancel_requests import ANSWER_S, ASK_AGAIN_S, READ_OUT_S, cancel_method, cancel_requests, was_found

Metadata = Iterable[tuple[str, str]]


class AsyncCancellations:
    """Those of one channel, each a task that is held here: whoever began it may be gone."""

    def __init__(self, channel: Any) -> None:
        self._ask_one = cancel_method(channel)
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(
        self, call: Any, read_out: ReadOut, request: service_pb2.ModelInferRequest, metadata: Metadata
    ) -> asyncio.Task[None]:
        """Have the server end `request`, and `read_out` its `call`; after a second, cancel the call."""
        reading = self._hold(_finished(call, read_out))
        self._hold(self._ask(request, metadata, reading))
        return reading

    async def wait(self, timeout_s: float) -> None:
        """Until none is under way."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=timeout_s)

    def _hold(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _ask(
        self, request: service_pb2.ModelInferRequest, metadata: Metadata, reading: asyncio.Task[None]
    ) -> None:
        """Until the request is found or over. An answer is waited for in any case: to ask is a request, too."""
        asked = cancel_requests(request)
        while asked and not reading.done():
            found = await asyncio.gather(*(self._found(one, metadata) for one in asked))
            if any(found):
                return
            await asyncio.wait({reading}, timeout=ASK_AGAIN_S)

    async def _found(self, request: service_pb2.ModelInferRequest, metadata: Metadata) -> bool:
        try:
            return was_found(await self._ask_one(request, timeout=ANSWER_S, metadata=tuple(metadata)))
        except (grpc.RpcError, grpc.aio.UsageError):  # the latter: the channel is closed
            return False


async def _finished(call: Any, read_out: ReadOut) -> None:
    reading = asyncio.create_task(read_out())
    try:
        await asyncio.wait({reading}, timeout=READ_OUT_S)
    finally:
        call.cancel()  # does nothing to one that is over
    await asyncio.wait({reading})
    if not reading.cancelled():
        reading.exception()  # how it ended is nobody's concern any more
