"""Payloads to and from Triton's messages: BYTES tensors of shape [1, 1], or [1, n] of several items. Free of I/O."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from pydantic import ValidationError
from tritonclient.grpc import service_pb2

from qwen_client.texts import json_bytes
from qwen_wire.errors import ServerError
from qwen_wire.messages import MessageT, read_message
from qwen_wire.options import Options

Inputs: TypeAlias = Mapping[str, bytes | tuple[bytes, ...]]
"""The payloads of a request by tensor: one item, or several."""

# Triton puts each item's length before it, as 4 bytes.
LENGTH_BYTES = 4
MICROSECONDS = 1_000_000


def options_json(schema: type[Options], **options: Any) -> bytes:
    """An OPTIONS payload that holds only what differs from the server's defaults (None: the server's choice).

    Equal requests are then equal bytes to the server's cache.
    """
    defaults = {info.alias or name: info.default for name, info in schema.model_fields.items()}
    changed = {name: value for name, value in options.items() if value is not None and value != defaults[name]}
    return json_bytes(changed, "the options")


@dataclass(frozen=True)
class SequenceStep:
    """One of the requests that Triton keeps together, by the `sequence_id` (1 to 2**63 - 1) they share."""

    sequence_id: int
    start: bool
    end: bool


def infer_request(
    model: str,
    inputs: Inputs,
    request_id: str,
    step: SequenceStep | None = None,
) -> service_pb2.ModelInferRequest:
    """The request message for `model`."""
    tensor = service_pb2.ModelInferRequest.InferInputTensor
    items = {name: (given,) if isinstance(given, bytes) else given for name, given in inputs.items()}
    message = service_pb2.ModelInferRequest(
        model_name=model,
        id=request_id,
        inputs=[tensor(name=name, datatype="BYTES", shape=[1, len(several)]) for name, several in items.items()],
        raw_input_contents=[b"".join(map(_framed, several)) for several in items.values()],
    )
    if step is not None:
        message.parameters["sequence_id"].int64_param = step.sequence_id
        message.parameters["sequence_start"].bool_param = step.start
        message.parameters["sequence_end"].bool_param = step.end
    return message


def set_timeout(message: service_pb2.ModelInferRequest, timeout_s: float) -> None:
    """Have the server end the request after `timeout_s`."""
    message.parameters["timeout"].int64_param = max(1, int(timeout_s * MICROSECONDS))


def _framed(item: bytes) -> bytes:
    return len(item).to_bytes(LENGTH_BYTES, "little") + item


@dataclass(frozen=True)
class Answer:
    """The output payloads of one response."""

    request_id: str
    payloads: Mapping[str, bytes]

    def payload(self, name: str) -> bytes:
        if name not in self.payloads:
            raise ServerError(f"the answer has no {name}: client and server do not match", request_id=self.request_id)
        return self.payloads[name]

    def text(self, name: str) -> str:
        return self.payload(name).decode()

    def message(self, kind: type[MessageT], name: str, **more: Any) -> MessageT:
        """The message of `qwen_wire` in an output, with `more` fields and the `request_id` of the answer."""
        try:
            return read_message(kind, {**self.json(name), **more, "request_id": self.request_id})
        except ValidationError as error:
            problem = f"{name} of the answer is not what it should be: client and server do not match ({error})"
            raise ServerError(problem, request_id=self.request_id) from error

    def json(self, name: str) -> dict[str, Any]:
        fields: dict[str, Any] = json.loads(self.payload(name))
        return fields


def read_answer(response: service_pb2.ModelInferResponse, request_id: str) -> Answer:
    """The payloads of a response message, by output name."""
    items = [content[LENGTH_BYTES:] for content in response.raw_output_contents]
    return Answer(request_id, dict(zip((output.name for output in response.outputs), items, strict=True)))
