"""The gRPC calls: `ModelInfer` for unary jobs, one `ModelStreamInfer` per streaming job.

A streaming request has a call of its own, half-closed after its one message. How it is cancelled: `cancel_requests.py`;
when it is sent again: `retries.py`.
"""

import asyncio
import copy
import time
import uuid
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from typing import Any

import grpc
from tritonclient.grpc import service_pb2, service_pb2_grpc
from typing_extensions import Self

from qwen_client.async_call import AsyncAnswer, AsyncCall
from qwen_client.async_cancellations import AsyncCancellations
from qwen_client.blocking_call import BlockingAnswer, BlockingCall
from qwen_client.cancel_requests import READ_OUT_S, server_timeout_s
from qwen_client.cancellations import Cancellations
from qwen_client.channels import Options, channel_options
from qwen_client.connection import Address, CallOptions
from qwen_client.grpc_errors import translated
from qwen_client.health import Health, read_health, ready_requests
from qwen_client.jobs import EventT, ResultT, StreamJob, UnaryJob
from qwen_client.messages import infer_request, read_answer, set_timeout
from qwen_client.open_calls import OpenCalls
from qwen_client.readers import Readers
from qwen_client.retries import Attempts, RetryBudget
from qwen_client.stream import AsyncStream, Stream
from qwen_wire.errors import InvalidRequest, QwenError

AnyJob = UnaryJob[ResultT] | StreamJob[Any, ResultT]


class _Transport:
    """What sync and async calls share: the stub, the deadline and the wording of errors."""

    def __init__(self, channel: Any, address: Address, options: CallOptions) -> None:
        self.channel = channel
        self.address = address
        self.options = options
        self.stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        self._budget = RetryBudget()

    def with_options(self, **changes: Any) -> Self:
        """The same connection with other `CallOptions`."""
        other = copy.copy(self)
        other.options = replace(self.options, **changes)
        return other

    def translated(self, request_id: str = "") -> AbstractContextManager[None]:
        return translated(self.address.target, self.options.timeout_s, request_id)

    def message(self, job: AnyJob[Any]) -> service_pb2.ModelInferRequest:
        step = job.step if isinstance(job, UnaryJob) else None
        return infer_request(job.model, job.inputs, uuid.uuid4().hex, step)

    def attempts(self, job: AnyJob[Any]) -> Attempts:
        retries = self.options.retries if job.is_repeatable else 0
        return Attempts(self.options.timeout_s, retries=retries, budget=self._budget)

    def start(self, message: service_pb2.ModelInferRequest, left_s: float) -> Any:
        set_timeout(message, server_timeout_s(left_s))
        with self.translated(message.id):
            return self.stub.ModelStreamInfer(iter([message]), timeout=left_s, metadata=self.options.headers)

    def ask(self, method: Any, message: service_pb2.ModelInferRequest, left_s: float) -> Any:
        set_timeout(message, server_timeout_s(left_s))
        return method(message, timeout=left_s, metadata=self.options.headers)


class Transport(_Transport):
    """Runs jobs on a blocking channel."""

    def __init__(self, address: Address, options: CallOptions) -> None:
        super().__init__(_channel(grpc.secure_channel, grpc.insecure_channel, address), address, options)
        self._cancellations = Cancellations(self.channel)
        self._readers = Readers()
        self._open: OpenCalls[BlockingCall | BlockingAnswer] = OpenCalls()

    def run(self, job: AnyJob[ResultT]) -> ResultT:
        """Send the job's request and wait for its result."""
        if isinstance(job, UnaryJob):
            return self._ask(job)
        with self.open(job) as stream:
            events = list(stream)
        return job.collect(events, stream.ending())

    def open(self, job: StreamJob[EventT, Any]) -> Stream[EventT]:
        """Send the job's request and return its events to come."""
        message = self.message(job)
        translate = partial(self.translated, message.id)
        return Stream(job, message.id, partial(self._open_call, message), self.attempts(job), translate)

    def health(self) -> Health:
        with self.translated():
            live = self._call(self.stub.ServerLive, service_pb2.ServerLiveRequest())
            ready = self._call(self.stub.ServerReady, service_pb2.ServerReadyRequest())
            asked = [self._call(self.stub.ModelReady.future, one) for one in ready_requests()]
            return read_health(live, ready, [one.result() for one in asked])

    def close(self) -> None:
        """Have the server end what still runs, for a second at most, and close the channel."""
        calls = self._open.all()
        for call in calls:
            call.begin_close()
        for call in calls:
            call.close()
        self._cancellations.wait(READ_OUT_S)
        self.channel.close()

    def _open_call(self, message: service_pb2.ModelInferRequest, left_s: float) -> BlockingCall:
        call = BlockingCall(self.start(message, left_s), self._cancel(message), self._readers)
        self._open.add(call)
        return call

    def _ask(self, job: UnaryJob[ResultT]) -> ResultT:
        message, attempts = self.message(job), self.attempts(job)
        while True:
            try:
                response = self._answer(message, attempts.left_s)
            except QwenError as error:
                if (delay_s := attempts.delay_s(error)) is None:
                    raise
                time.sleep(delay_s)
            else:
                attempts.succeeded()
                return job.read(read_answer(response, message.id))

    def _answer(self, message: service_pb2.ModelInferRequest, left_s: float) -> Any:
        with self.translated(message.id):
            call = self.ask(self.stub.ModelInfer.future, message, left_s)
            answer = BlockingAnswer(call, self._cancel(message))
            self._open.add(answer)
            return answer.result()

    def _call(self, method: Any, request: Any) -> Any:
        return method(request, timeout=self.options.timeout_s, metadata=self.options.headers)

    def _cancel(self, message: service_pb2.ModelInferRequest) -> Any:
        return partial(self._cancellations.begin, request=message, metadata=self.options.headers)


class AsyncTransport(_Transport):
    """Runs jobs on an asyncio channel, which belongs to one event loop."""

    def __init__(self, address: Address, options: CallOptions) -> None:
        try:
            self._loop = asyncio.get_running_loop()
        except RuntimeError as error:
            raise InvalidRequest("an AsyncClient belongs to an event loop: make it inside a coroutine") from error
        super().__init__(_channel(grpc.aio.secure_channel, grpc.aio.insecure_channel, address), address, options)
        self._cancellations = AsyncCancellations(self.channel)
        self._open: OpenCalls[AsyncCall | AsyncAnswer] = OpenCalls()
        self._closing: asyncio.Task[None] | None = None

    async def run(self, job: AnyJob[ResultT]) -> ResultT:
        """Send the job's request and wait for its result."""
        if isinstance(job, UnaryJob):
            return await self._ask(job)
        async with self.open(job) as stream:
            events = [event async for event in stream]
        return job.collect(events, stream.ending())

    def open(self, job: StreamJob[EventT, Any]) -> AsyncStream[EventT]:
        """Send the job's request and return its events to come."""
        message = self.message(job)
        translate = partial(self.translated, message.id)
        return AsyncStream(job, message.id, partial(self._open_call, message), self.attempts(job), translate)

    async def health(self) -> Health:
        self._require_loop()
        with self.translated():
            live = await self._call(self.stub.ServerLive, service_pb2.ServerLiveRequest())
            ready = await self._call(self.stub.ServerReady, service_pb2.ServerReadyRequest())
            asked = [self._call(self.stub.ModelReady, one) for one in ready_requests()]
            return read_health(live, ready, [await one for one in asked])

    async def close(self) -> None:
        """As `Transport.close`. Cancelled meanwhile, it waits no longer, but all is closed all the same."""
        self._require_loop()
        self._closing = self._closing or asyncio.create_task(self._close())
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        for call in self._open.all():
            call.begin_close()
        await self._cancellations.wait(2 * READ_OUT_S)
        await self.channel.close()

    def _open_call(self, message: service_pb2.ModelInferRequest, left_s: float) -> AsyncCall:
        self._require_loop()
        call = AsyncCall(self.start(message, left_s), self._cancel(message))
        self._open.add(call)
        return call

    async def _ask(self, job: UnaryJob[ResultT]) -> ResultT:
        self._require_loop()
        message, attempts = self.message(job), self.attempts(job)
        while True:
            try:
                response = await self._answer(message, attempts.left_s)
            except QwenError as error:
                if (delay_s := attempts.delay_s(error)) is None:
                    raise
                await asyncio.sleep(delay_s)
            else:
                attempts.succeeded()
                return job.read(read_answer(response, message.id))

    async def _answer(self, message: service_pb2.ModelInferRequest, left_s: float) -> Any:
        with self.translated(message.id):
            call = self.ask(self.stub.ModelInfer, message, left_s)
            answer = AsyncAnswer(call, self._cancel(message))
            self._open.add(answer)
            return await answer.result()

    def _call(self, method: Any, request: Any) -> Awaitable[Any]:
        called: Awaitable[Any] = method(request, timeout=self.options.timeout_s, metadata=self.options.headers)
        return called

    def _cancel(self, message: service_pb2.ModelInferRequest) -> Any:
        return partial(self._cancellations.begin, request=message, metadata=self.options.headers)

    def _require_loop(self) -> None:
        if asyncio.get_running_loop() is not self._loop:
            raise InvalidRequest("this AsyncClient belongs to another event loop: make one in each")


def _channel(secure: Callable[..., Any], insecure: Callable[..., Any], address: Address) -> Any:
    options: Options = channel_options(address.target)
    if address.tls is None:
        return insecure(address.target, options)
    if address.tls.server_name is not None:
        options = [*options, ("grpc.ssl_target_name_override", address.tls.server_name)]
    return secure(address.target, address.tls.credentials(), options)
