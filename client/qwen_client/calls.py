"""Calls between models of one server, for those that are made of others: over gRPC, each a stream of its own.

Free of the engine: who hands this to a chain says how an error of a called model is to be raised.
"""

import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, Protocol

import grpc
from tritonclient.grpc import service_pb2_grpc

from qwen_client.errors import QwenError, refusal, translated
from qwen_client.transport import CHANNEL_OPTIONS
from qwen_client.wire import infer_request, read_answer


class Headers(Protocol):
    """What is told to the called model besides its inputs, such as whose work this is."""

    def headers(self) -> Mapping[str, str]: ...


class GrpcCalls:
    """Calls the models of the server at `address`, all of them from one asyncio loop.

    `failure` makes the error that is raised, of a gRPC status name and a message.
    """

    def __init__(self, address: str, failure: Callable[[str, str], Exception]) -> None:
        self._address = address
        self._failure = failure

    @cached_property
    def _stub(self) -> Any:
        """Made with the first call: a channel belongs to the loop that runs then."""
        return service_pb2_grpc.GRPCInferenceServiceStub(grpc.aio.insecure_channel(self._address, CHANNEL_OPTIONS))

    async def stream(
        self,
        model: str,
        inputs: Mapping[str, bytes | Sequence[bytes]],
        *,
        deadline_s: float | None,
        trace: Headers,
    ) -> AsyncGenerator[Mapping[str, bytes], None]:
        """Every response of `model`, output name to payload. To close the generator early cancels the call."""
        items = {name: given if isinstance(given, bytes) else tuple(given) for name, given in inputs.items()}
        message = infer_request(model, items, uuid.uuid4().hex)
        metadata = tuple(trace.headers().items())
        call = self._stub.ModelStreamInfer(iter([message]), timeout=deadline_s, metadata=metadata)
        try:
            with translated(self._address, deadline_s or 0.0):
                async for payloads in _responses(call, message.id):
                    yield payloads
        except QwenError as error:
            raise self._failure(error.status, error.message) from error
        finally:
            call.cancel()  # does nothing to one that is over


async def _responses(call: grpc.aio.Call, request_id: str) -> AsyncIterator[Mapping[str, bytes]]:
    """An error is raised once the server has closed the stream; `stream.py` says why."""
    refused: QwenError | None = None
    while (response := await call.read()) is not grpc.aio.EOF:
        if response.error_message:
            refused = refusal(response.error_message, request_id)
        else:
            yield read_answer(response.infer_response, request_id).payloads
    if refused is not None:
        raise refused
