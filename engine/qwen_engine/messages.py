"""Triton's requests read, its responses made: what all adapters share. `pb_utils` is handed in by model.py."""

import json
import logging
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, is_dataclass
from typing import Any, Self, TypeVar

import numpy as np

from qwen_engine.tenants import DEFAULT_TENANT, TENANT, read_tenant
from qwen_wire.errors import InvalidRequest, QwenError, ServerError
from qwen_wire.messages import to_dict
from qwen_wire.tensors import ModelWire, Tensor

log = logging.getLogger(__name__)

Outputs = dict[str, Any]  # bytes, or what is sent as JSON: a dict or a message of qwen_wire

TRITON_CODES = {
    "INVALID_ARGUMENT": "INVALID_ARG",
    "UNAVAILABLE": "UNAVAILABLE",
    "CANCELLED": "CANCELLED",
    "DEADLINE_EXCEEDED": "CANCELLED",  # Triton has no code for it; the message begins with the status
    "INTERNAL": "INTERNAL",
}
MICROSECONDS = 1e6

Timings = dict[str, float | None]
TextT = TypeVar("TextT")


def timings(arrived_s: float, admitted_s: float | None, first_event_s: float | None) -> Timings:
    """Seconds since arrival: until admission, until the first event (None: there was none), until now."""
    times = {"queue_s": admitted_s, "first_event_s": first_event_s, "total_s": time.monotonic()}
    return {name: None if time_s is None else round(time_s - arrived_s, 4) for name, time_s in times.items()}


@dataclass(frozen=True)
class Caller:
    """Who sent a request, and for how long they wait.

    `tenant`: from the header `qwen-tenant`, which a gateway sets, or the request parameter of that name; what is kept
    for one is never another's. `request_id`: as the caller chose it, empty: none. `timeout_s`: from Triton's request
    parameter `timeout`, which is in microseconds; None: none; it is over at `end_s` (`time.monotonic`). `headers`:
    those that Triton forwards, and all parameters of the request, by their names in lower case.
    """

    tenant: str = DEFAULT_TENANT
    request_id: str = ""
    timeout_s: float | None = None
    headers: Mapping[str, Any] = field(default_factory=dict)
    end_s: float = math.inf

    @property
    def left_s(self) -> float:
        """Until it waits no longer."""
        return max(0.0, self.end_s - time.monotonic())

    @classmethod
    def read(cls, request: Any, *, must_name_tenant: bool = False) -> Self:
        """Of an InferenceRequest. Raises `InvalidRequest` where the tenant is no name, or is not named but must."""
        given = _parameters(request)
        tenant = read_tenant({str(value) for name, value in given if name == TENANT})
        if tenant is None and must_name_tenant:
            raise InvalidRequest(f"the header {TENANT} is missing: this server has to know whose a request is")
        timeout_s = request.timeout() / MICROSECONDS or None
        end_s = math.inf if timeout_s is None else time.monotonic() + timeout_s
        request_id = read_text(request.request_id, "the id of the request")
        return cls(tenant or DEFAULT_TENANT, request_id, timeout_s, dict(given), end_s)


def read_text(read: Callable[[], TextT], what: str) -> TextT:
    """A text of a request, which Triton has not checked. Raises `InvalidRequest` where not UTF-8."""
    try:
        return read()
    except UnicodeDecodeError:
        raise InvalidRequest(f"{what} is not UTF-8") from None


def _parameters(request: Any) -> list[tuple[str, Any]]:
    """Headers and parameters of an InferenceRequest, which Triton puts beside each other: a name may come twice."""
    pairs: list[tuple[str, Any]] = json.loads(
        read_text(request.parameters, "a header or parameter of the request") or "{}", object_pairs_hook=list
    )
    return [(name.lower(), value) for name, value in pairs]


@dataclass(frozen=True)
class Inputs:
    """The input payloads of one request, by tensor, and whose they are. What was left out has no items; nor has what
    a model does not take at all."""

    items: Mapping[str, tuple[Any, ...]]
    caller: Caller = Caller()
    has_file: bool = False

    def __getitem__(self, name: str) -> bytes:
        """The item of a tensor that has one; empty where it was left out."""
        item: bytes = next(iter(self.several(name)), b"")
        return item

    def number(self, name: str) -> bool | int | float | None:
        """The item of a tensor that is not BYTES; None where it was left out."""
        return next(iter(self.several(name)), None)

    def several(self, name: str) -> tuple[Any, ...]:
        """All items of a tensor."""
        return self.items.get(name, ())


class Messages:
    """The messages of one Triton model."""

    def __init__(self, pb_utils: Any, wire: ModelWire, *, must_name_tenant: bool = False) -> None:
        self._pb_utils = pb_utils
        self.wire = wire
        self._must_name_tenant = must_name_tenant

    def inputs(self, request: Any) -> Inputs:
        """The payloads of an InferenceRequest. Raises `InvalidRequest` where a tensor has a wrong shape."""
        items = {tensor.name: self._items(request, tensor) for tensor in self.wire.inputs}
        has_file = any(tensor.file and any(items[tensor.name]) for tensor in self.wire.inputs)
        return Inputs(items, Caller.read(request, must_name_tenant=self._must_name_tenant), has_file)

    def response(self, outputs: Outputs) -> Any:
        """The outputs as an InferenceResponse: bytes, JSON of dicts, and INT32."""
        payloads = {name: json.dumps(out).encode() if isinstance(out, dict) else out for name, out in outputs.items()}
        return self._pb_utils.InferenceResponse([self._tensor(name, payload) for name, payload in payloads.items()])

    def error_response(self, error: QwenError) -> Any:
        """The message begins with the status: on a gRPC stream Triton passes on the text alone."""
        triton_error = self._pb_utils.TritonError
        return self._pb_utils.InferenceResponse(
            [], triton_error(f"{error.status}: {error}", getattr(triton_error, TRITON_CODES[error.status]))
        )

    def send_final(self, sender: Any, response: Any) -> None:
        """Send the last response of a request, or else an error, or else the flag alone: a caller waits for it."""
        for last in (response, self.error_response(ServerError()), None):
            try:
                sender.send(last, flags=self._pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
            except Exception:
                log.exception("a final response could not be sent")
            else:
                return
        log.critical("a request stays without its final response: its caller waits until its own deadline")

    def _tensor(self, name: str, payload: Any) -> Any:
        items = np.array([payload], dtype=np.int32 if isinstance(payload, int) else np.object_)
        return self._pb_utils.Tensor(name, items if name in self.wire.flat else items[None])

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


def as_objects(outputs: Outputs) -> Outputs:
    """The outputs with messages as JSON objects."""
    return {name: to_dict(out) if is_dataclass(out) else out for name, out in outputs.items()}
