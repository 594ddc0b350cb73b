"""Events of a streaming request, as they arrive."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, Generic, TypeVar

from tritonclient.grpc import service_pb2
from typing_extensions import Self

from qwen_client.async_call import AsyncCall
from qwen_client.blocking_call import BlockingCall
from qwen_client.grpc_errors import refusal
from qwen_client.jobs import Ending, EventT, StreamJob, read_ending
from qwen_client.messages import read_answer
from qwen_client.retries import Attempts
from qwen_wire.errors import Cancelled, QwenError, ServerError
from qwen_wire.messages import Timings

Translate = Callable[[], AbstractContextManager[None]]
CallT = TypeVar("CallT", BlockingCall, AsyncCall)


class _Events(Generic[EventT, CallT]):
    """What sync and async streams share: reading each response, and remembering how it ended.

    `start` sends the request, with so many seconds left for it; again, as `attempts` allow, before the first response.
    """

    def __init__(
        self,
        job: StreamJob[EventT, Any],
        request_id: str,
        start: Callable[[float], CallT],
        attempts: Attempts,
        translate: Translate,
    ) -> None:
        self.request_id = request_id
        self._read = job.read
        self._start: Callable[[float], CallT] = start
        self._attempts = attempts
        self._translate = translate
        self._is_closed = False
        self._call: CallT = start(attempts.left_s)
        self._ending: Ending | None = None
        self._refusal: QwenError | None = None

    @property
    def finish_reason(self) -> str | None:
        """ "stop", "length" or "cancelled"; None while there is more to come."""
        return self._ending.finish_reason if self._ending else None

    @property
    def timings(self) -> Timings | None:
        """None while there is more to come."""
        return self._ending.timings if self._ending else None

    def ending(self) -> Ending:
        """How the exhausted stream ended; raises the error it ended with."""
        if self._refusal is not None:
            raise self._refusal
        if self._ending is None:
            raise ServerError("the server ended the stream without an end event", request_id=self.request_id)
        return self._ending

    def _accept(self, response: service_pb2.ModelStreamInferResponse) -> EventT | None:
        """The event of a response; None for an ending, or for an error, which is raised at the stream's end."""
        if response.error_message:
            self._refusal = refusal(response.error_message, self.request_id)
            return None
        self._attempts.succeeded()
        answer = read_answer(response.infer_response, self.request_id)
        if "EVENT" not in answer.payloads:  # of a model that answers in one piece
            self._ending = read_ending(answer.json("RESULT"), self.request_id)
            return self._read(answer)
        event = answer.json("EVENT")
        if event["type"] == "end":
            self._ending = read_ending(event, self.request_id)
            return None
        return self._read(answer)

    def _restart(self) -> None:
        if self._is_closed:
            raise self._was_left()
        self._refusal = None
        self._call = self._start(self._attempts.left_s)

    def _was_left(self) -> Cancelled:
        return Cancelled("the stream was closed before its end", request_id=self.request_id)


class Stream(_Events[EventT, BlockingCall]):
    """Iterate over it for the events; use it in a `with` block to cancel what is left on leaving.

    with client.tts.stream("Good morning, everyone.") as chunks:
        for chunk in chunks:
            ...
    print(chunks.finish_reason, chunks.timings)
    """

    def close(self) -> None:
        """Cancel the request, unless it is over, and wait for its end, for a second at most."""
        self._is_closed = True
        self._call.close()

    def __del__(self) -> None:
        if hasattr(self, "_call"):  # else it could not be started
            self._call.abandon()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[EventT]:
        return self

    def __next__(self) -> EventT:
        while True:
            try:
                return self._next()
            except QwenError as error:
                if (delay_s := self._attempts.delay_s(error)) is None:
                    raise
            time.sleep(delay_s)
            self._restart()

    def _next(self) -> EventT:
        with self._translate():
            while (response := self._call.read()) is not None:
                if (event := self._accept(response)) is not None:
                    return event
        if self._call.was_left:
            raise self._was_left()
        self.ending()
        raise StopIteration


class AsyncStream(_Events[EventT, AsyncCall]):
    """As `Stream`, with `async with` and `async for`."""

    async def close(self) -> None:
        """Cancel the request, unless it is over, and wait for its end, for a second at most."""
        self._is_closed = True
        await self._call.close()

    def __del__(self) -> None:
        if hasattr(self, "_call"):  # else it could not be started
            self._call.abandon()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, asyncio.CancelledError):
            self._is_closed = True
            self._call.begin_close()  # whoever cancels the task does not wait for the server
        else:
            await self.close()

    def __aiter__(self) -> AsyncIterator[EventT]:
        return self

    async def __anext__(self) -> EventT:
        while True:
            try:
                return await self._next()
            except QwenError as error:
                if (delay_s := self._attempts.delay_s(error)) is None:
                    raise
            await asyncio.sleep(delay_s)
            self._restart()

    async def _next(self) -> EventT:
        with self._translate():
            while (response := await self._call.read()) is not None:
                if (event := self._accept(response)) is not None:
                    return event
        if self._call.was_left:
            raise self._was_left()
        self.ending()
        raise StopAsyncIteration
