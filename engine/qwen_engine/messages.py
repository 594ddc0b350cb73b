"""Triton's requests read, its responses made: what all adapters share. `pb_utils` is handed in by model.py."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from qwen_engine.errors import EngineError, InvalidRequest
from qwen_engine.wire import ModelWire, Tensor

Outputs = dict[str, Any]  # bytes, or a dict that is sent as JSON

TRITON_CODES = {
    "INVALID_ARGUMENT": "INVALID_ARG",
    "UNAVAILABLE": "UNAVAILABLE",
    "CANCELLED": "CANCELLED",
    "DEADLINE_EXCEEDED": "CANCELLED",  # Triton has no code for it; the message begins with the status
    "INTERNAL": "INTERNAL",
}


@dataclass(frozen=True)
class Inputs:
    """The input payloads of one request, by tensor: no items where it was left out."""

    items: Mapping[str, tuple[Any, ...]]

    def __getitem__(self, name: str) -> bytes:
        """The item of a tensor that has one; empty where it was left out."""
        item: bytes = next(iter(self.items[name]), b"")
        return item

    def number(self, name: str) -> bool | int | float | None:
        """The item of a tensor that is not BYTES; None where it was left out."""
        return next(iter(self.items[name]), None)


class Messages:
    """The messages of one Triton model."""

    def __init__(self, pb_utils: Any, wire: ModelWire) -> None:
        self._pb_utils = pb_utils
        self._wire = wire

    def inputs(self, request: Any) -> Inputs:
        """The payloads of an InferenceRequest. Raises `InvalidRequest` where a tensor has a wrong shape."""
        return Inputs({tensor.name: self._items(request, tensor) for tensor in self._wire.inputs})

    def response(self, outputs: Outputs) -> Any:
        """The outputs as an InferenceResponse with tensors of shape [1, 1]."""
        payloads = {name: json.dumps(out).encode() if isinstance(out, dict) else out for name, out in outputs.items()}
        return self._pb_utils.InferenceResponse([self._tensor(name, payload) for name, payload in payloads.items()])

    def error_response(self, error: EngineError) -> Any:
        """The message begins with the status: on a gRPC stream Triton passes on the text alone."""
        triton_error = self._pb_utils.TritonError
        return self._pb_utils.InferenceResponse(
            [], triton_error(f"{error.status}: {error}", getattr(triton_error, TRITON_CODES[error.status]))
        )

    def _tensor(self, name: str, payload: Any) -> Any:
        return self._pb_utils.Tensor(name, np.array([[payload]], dtype=np.object_))

    def _items(self, request: Any, tensor: Tensor) -> tuple[Any, ...]:
        sent = self._pb_utils.get_input_tensor_by_name(request, tensor.name)
        if sent is None:
            return ()
        items = sent.as_numpy()
        if items.shape[0] != 1 or (items.size != 1 and not tensor.several):
            shape = "[1, n]" if tensor.several else "[1, 1], one item"
            raise InvalidRequest(f"{tensor.name} has shape {list(items.shape)}: send one request at a time, {shape}")
        if tensor.type != "BYTES":
            return tuple(items.reshape(-1).tolist())
        return tuple(item.encode() if isinstance(item, str) else bytes(item) for item in items.reshape(-1))


def numbered(outputs: Outputs, index: int) -> Outputs:
    """The outputs with their number in EVENT. `index` begins at 0 in each request."""
    return {**outputs, "EVENT": {"index": index, **outputs["EVENT"]}}
