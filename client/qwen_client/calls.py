"""Calls between models of one server, for those that are made of others: over gRPC, each a stream of its own.

Free of the engine: who hands this to a chain says how an error of a called model is to be raised.
"""

import math
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from functools import cached_property, partial
from typing import Any, Protocol

import grpc
from tritonclient.grpc import service_pb2_grpc

from qwen_client.async_call import AsyncCall
from qwen_client.async_cancellations import AsyncCancellations
from qwen_client.cancel_requests import server_timeout_s
from qwen_client.channels import DIRECT
from qwen_client.grpc_errors import refusal, translated_inside
from qwen_client.messages import infer_request, read_answer, set_timeout
from qwen_wire.errors import QwenError


class Headers(Protocol):
    """Sent to the called model besides its inputs, such as whose work this is."""

    def headers(self) -> Mapping[str, str]: ...


class GrpcCalls:
    """Calls the models of the server at `address`, all of them from one asyncio loop.

    `failure` makes the error that is raised, of a gRPC status name and a message.
    """

    def __init__(self, address: str, failure: Callable[[str, str], Exception]) -> None:
        self._address = address
        self._failure = failure

    @cached_property
    def _channel(self) -> Any:
        """Made with the first call: a channel belongs to the loop that runs then. The server is their own."""
        return grpc.aio.insecure_channel(self._address, DIRECT)

    @cached_property
    def _stub(self) -> Any:
        return service_pb2_grpc.GRPCInferenceServiceStub(self._channel)

    @cached_property
    def _cancellations(self) -> AsyncCancellations:
        return AsyncCancellations(self._channel)

    async def stream(
        self,
        model: str,
        inputs: Mapping[str, bytes | Sequence[bytes]],
        *,
        deadline_s: float | None,
        trace: Headers,
    ) -> AsyncGenerator[Mapping[str, bytes], None]:
        """Every response of `model`, output name to payload. To close the generator early cancels the request."""
        items = {name: given if isinstance(given, bytes) else tuple(given) for name, given in inputs.items()}
        message = infer_request(model, items, uuid.uuid4().hex)
        if deadline_s is not None:
            set_timeout(message, server_timeout_s(deadline_s))
        metadata = tuple(trace.headers().items())
        call = AsyncCall(
            self._stub.ModelStreamInfer(iter([message]), timeout=deadline_s, metadata=metadata),
            partial(self._cancellations.begin, request=message, metadata=metadata),
        )
        try:
            with translated_inside(model, math.inf if deadline_s is None else deadline_s):
                async for payloads in _responses(call, message.id):
                    yield payloads
        except QwenError as error:
            raise self._failure(error.status, error.message) from error
        finally:
            call.begin_close()  # does nothing to one that is over


async def _responses(call: AsyncCall, request_id: str) -> AsyncIterator[Mapping[str, bytes]]:
    """An error is raised once the server has closed the stream."""
    refused: QwenError | None = None
    while (response := await call.read()) is not None:
        if response.error_message:
            refused = refusal(response.error_message, request_id)
        else:
            yield read_answer(response.infer_response, request_id).payloads
    if refused is not None:
        raise refused
