"""The gRPC calls: `ModelInfer` for unary jobs, one `ModelStreamInfer` per streaming job.

A streaming request has a call of its own, half-closed after its one message: cancelling the call
cancels that request and no other.
"""

import uuid
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import grpc
from tritonclient.grpc import service_pb2, service_pb2_grpc

from qwen_client.errors import translated
from qwen_client.health import Health, read_health
from qwen_client.jobs import EventT, ResultT, StreamJob, UnaryJob
from qwen_client.stream import AsyncStream, Stream
from qwen_client.wire import infer_request, read_answer

CHANNEL_OPTIONS = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    # gRPC would wait up to two minutes before it looks again for a server that was restarted.
    ("grpc.max_reconnect_backoff_ms", 2_000),
]

AnyJob = UnaryJob[ResultT] | StreamJob[Any, ResultT]


class _Transport:
    """What sync and async calls share: the stub, the deadline and the wording of errors."""

    def __init__(self, channel: Any, address: str, timeout_s: float) -> None:
        self.channel = channel
        self.timeout_s = timeout_s
        self.stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        self._address = address

    def translated(self, request_id: str = "") -> AbstractContextManager[None]:
        return translated(self._address, self.timeout_s, request_id)

    def message(self, job: AnyJob[Any]) -> service_pb2.ModelInferRequest:
        step = job.step if isinstance(job, UnaryJob) else None
        return infer_request(job.model, job.inputs, uuid.uuid4().hex, step)

    def start(self, message: service_pb2.ModelInferRequest) -> Any:
        return self.stub.ModelStreamInfer(iter([message]), timeout=self.timeout_s)


class Transport(_Transport):
    """Runs jobs on a blocking channel."""

    def __init__(self, address: str, timeout_s: float) -> None:
        super().__init__(grpc.insecure_channel(address, CHANNEL_OPTIONS), address, timeout_s)

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
        return Stream(job, message.id, self.start(message), partial(self.translated, message.id))

    def health(self) -> Health:
        with self.translated():
            return read_health(
                self.stub.ServerLive(service_pb2.ServerLiveRequest(), timeout=self.timeout_s),
                self.stub.ServerReady(service_pb2.ServerReadyRequest(), timeout=self.timeout_s),
                self.stub.RepositoryIndex(service_pb2.RepositoryIndexRequest(), timeout=self.timeout_s),
            )

    def _ask(self, job: UnaryJob[ResultT]) -> ResultT:
        message = self.message(job)
        with self.translated(message.id):
            response = self.stub.ModelInfer(message, timeout=self.timeout_s)
        return job.read(read_answer(response, message.id))


class AsyncTransport(_Transport):
    """Runs jobs on an asyncio channel."""

    def __init__(self, address: str, timeout_s: float) -> None:
        super().__init__(grpc.aio.insecure_channel(address, CHANNEL_OPTIONS), address, timeout_s)

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
        return AsyncStream(job, message.id, self.start(message), partial(self.translated, message.id))

    async def health(self) -> Health:
        with self.translated():
            return read_health(
                await self.stub.ServerLive(service_pb2.ServerLiveRequest(), timeout=self.timeout_s),
                await self.stub.ServerReady(service_pb2.ServerReadyRequest(), timeout=self.timeout_s),
                await self.stub.RepositoryIndex(service_pb2.RepositoryIndexRequest(), timeout=self.timeout_s),
            )

    async def _ask(self, job: UnaryJob[ResultT]) -> ResultT:
        message = self.message(job)
        with self.translated(message.id):
            response = await self.stub.ModelInfer(message, timeout=self.timeout_s)
        return job.read(read_answer(response, message.id))
