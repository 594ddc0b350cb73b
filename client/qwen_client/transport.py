"""The gRPC calls: `ModelInfer` for unary jobs, one `ModelStreamInfer` per streaming job.

A streaming request has a call of its own, half-closed after its one message. How it is cancelled: `cancel_requests.py`.
"""

import asyncio
import re
import uuid
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import grpc
from tritonclient.grpc import service_pb2, service_pb2_grpc

from qwen_client.async_call import AsyncAnswer, AsyncCall
from qwen_client.async_cancellations import AsyncCancellations
from qwen_client.blocking_call import BlockingAnswer, BlockingCall
from qwen_client.cancel_requests import READ_OUT_S, server_timeout_s
from qwen_client.cancellations import Cancellations
from qwen_client.channels import channel_options, check_address
from qwen_client.grpc_errors import translated
from qwen_client.health import Health, read_health, ready_requests
from qwen_client.jobs import EventT, ResultT, StreamJob, UnaryJob
from qwen_client.messages import infer_request, read_answer
from qwen_client.open_calls import OpenCalls
from qwen_client.readers import Readers
from qwen_client.stream import AsyncStream, Stream
from qwen_wire.errors import InvalidRequest

TENANT = "qwen-tenant"
TENANT_FORM = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")

AnyJob = UnaryJob[ResultT] | StreamJob[Any, ResultT]


class _Transport:
    """What sync and async calls share: the stub, the deadline and the wording of errors."""

    def __init__(self, channel: Any, address: str, timeout_s: float, tenant: str | None) -> None:
        check_address(address)
        if tenant is not None and not TENANT_FORM.fullmatch(tenant):
            raise InvalidRequest(f"tenant is {tenant[:80]!r}: use up to 64 of a-z, 0-9, - and _")
        self.channel = channel
        self.metadata = () if tenant is None else ((TENANT, tenant),)
        self.timeout_s = timeout_s
        self.stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        self._address = address

    def translated(self, request_id: str = "") -> AbstractContextManager[None]:
        return translated(self._address, self.timeout_s, request_id)

    def message(self, job: AnyJob[Any]) -> service_pb2.ModelInferRequest:
        step = job.step if isinstance(job, UnaryJob) else None
        timeout_s = server_timeout_s(self.timeout_s)
        return infer_request(job.model, job.inputs, uuid.uuid4().hex, step, timeout_s=timeout_s)

    def start(self, message: service_pb2.ModelInferRequest) -> Any:
        return self.stub.ModelStreamInfer(iter([message]), timeout=self.timeout_s, metadata=self.metadata)


class Transport(_Transport):
    """Runs jobs on a blocking channel."""

    def __init__(self, address: str, timeout_s: float, tenant: str | None = None) -> None:
        super().__init__(grpc.insecure_channel(address, channel_options(address)), address, timeout_s, tenant)
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
        call = BlockingCall(self.start(message), self._cancel(message), self._readers)
        self._open.add(call)
        return Stream(job, message.id, call, partial(self.translated, message.id))

    def health(self) -> Health:
        with self.translated():
            live = self.stub.ServerLive(service_pb2.ServerLiveRequest(), timeout=self.timeout_s)
            ready = self.stub.ServerReady(service_pb2.ServerReadyRequest(), timeout=self.timeout_s)
            asked = [self.stub.ModelReady.future(one, timeout=self.timeout_s) for one in ready_requests()]
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

    def _ask(self, job: UnaryJob[ResultT]) -> ResultT:
        message = self.message(job)
        with self.translated(message.id):
            call = self.stub.ModelInfer.future(message, timeout=self.timeout_s, metadata=self.metadata)
            answer = BlockingAnswer(call, self._cancel(message))
            self._open.add(answer)
            response = answer.result()
        return job.read(read_answer(response, message.id))

    def _cancel(self, message: service_pb2.ModelInferRequest) -> Any:
        return partial(self._cancellations.begin, request=message, metadata=self.metadata)


class AsyncTransport(_Transport):
    """Runs jobs on an asyncio channel."""

    def __init__(self, address: str, timeout_s: float, tenant: str | None = None) -> None:
        super().__init__(grpc.aio.insecure_channel(address, channel_options(address)), address, timeout_s, tenant)
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
        call = AsyncCall(self.start(message), self._cancel(message))
        self._open.add(call)
        return AsyncStream(job, message.id, call, partial(self.translated, message.id))

    async def health(self) -> Health:
        with self.translated():
            live = await self.stub.ServerLive(service_pb2.ServerLiveRequest(), timeout=self.timeout_s)
            ready = await self.stub.ServerReady(service_pb2.ServerReadyRequest(), timeout=self.timeout_s)
            asked = [self.stub.ModelReady(one, timeout=self.timeout_s) for one in ready_requests()]
            return read_health(live, ready, [await one for one in asked])

    async def close(self) -> None:
        """As `Transport.close`. Cancelled meanwhile, it waits no longer, but all is closed all the same."""
        self._closing = self._closing or asyncio.create_task(self._close())
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        for call in self._open.all():
            call.begin_close()
        await self._cancellations.wait(2 * READ_OUT_S)
        await self.channel.close()

    async def _ask(self, job: UnaryJob[ResultT]) -> ResultT:
        message = self.message(job)
        with self.translated(message.id):
            call = self.stub.ModelInfer(message, timeout=self.timeout_s, metadata=self.metadata)
            answer = AsyncAnswer(call, self._cancel(message))
            self._open.add(answer)
            response = await answer.result()
        return job.read(read_answer(response, message.id))

    def _cancel(self, message: service_pb2.ModelInferRequest) -> Any:
        return partial(self._cancellations.begin, request=message, metadata=self.metadata)
