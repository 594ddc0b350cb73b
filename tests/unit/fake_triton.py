"""A gRPC server that speaks Triton's protocol and answers by script: what the client's tests connect to.

It is strict where Triton is: one request a stream, BYTES of shape [1, 1] (or [1, n], where several are taken), an id, a
start before the steps of a sequence; it tells errors of a stream as text, and a sequence's id, start and end as inputs
of the model.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Self

import grpc
from tritonclient.grpc import service_pb2, service_pb2_grpc

Payloads = Mapping[str, Any]  # bytes; a tuple of them for the tensors below
Script = Callable[[Payloads], Iterator[Payloads]]
SEVERAL = {("workflow", "PAYLOAD"), ("qwen_image", "IMAGE"), ("meeting_minutes", "AUDIO")}
LENGTH_BYTES = 4
CANCELLED_END = {
    "index": 9,
    "type": "end",
    "finish_reason": "cancelled",
    "timings": {"queue_s": 0.0, "first_event_s": 0.0, "total_s": 0.0},
}
NUM_THREADS = 12


@dataclass
class Refusal(Exception):
    """Ends a request with a status; our models repeat it in the message, Triton (`by_model` False) does not."""

    code: grpc.StatusCode
    message: str
    by_model: bool = True

    @property
    def text(self) -> str:
        return f"{self.code.name}: {self.message}" if self.by_model else self.message


@dataclass
class Received:
    """A request as it arrived."""

    model: str
    request_id: str
    inputs: dict[str, Any]
    deadline_s: float
    headers: dict[str, str]
    timeout_s: float | None = None


@dataclass(frozen=True)
class Cancel:
    """A request that cancels another one, which was `found` or not; `empty` are its other inputs."""

    model: str
    request_id: str
    headers: dict[str, str]
    empty: tuple[str, ...]
    found: bool


@dataclass
class FakeTriton(service_pb2_grpc.GRPCInferenceServiceServicer):
    """Serves the scripts, by model name, on a free port of 127.0.0.1; those `unloaded` are known but not served.

    `cancelled` is set by a request that cancels another one, which then ends with its script's next step, unless the
    server `obeys` not; and, as is `rpc_cancelled`, by a stream whose RPC is cancelled. The first `num_deaf` requests
    to cancel find nothing.

    with FakeTriton({"qwen3_asr": script}) as triton, Client(triton.address) as client: ...
    """

    scripts: dict[str, Script]
    unloaded: set[str] = field(default_factory=set)
    received: list[Received] = field(default_factory=list)
    cancelled: threading.Event = field(default_factory=threading.Event)
    rpc_cancelled: threading.Event = field(default_factory=threading.Event)
    obeys: bool = True
    num_deaf: int = 0
    cancels: list[Cancel] = field(default_factory=list)
    open_ids: set[str] = field(default_factory=set)
    served: threading.local = field(default_factory=threading.local)
    open_sequences: set[int] = field(default_factory=set)
    credentials: grpc.ServerCredentials | None = None  # for TLS
    port: int = 0

    def __enter__(self) -> Self:
        self._server = grpc.server(ThreadPoolExecutor(NUM_THREADS), options=[("grpc.max_receive_message_length", -1)])
        service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(self, self._server)
        address = f"127.0.0.1:{self.port}"
        if self.credentials is None:
            self.port = self._server.add_insecure_port(address)
        else:
            self.port = self._server.add_secure_port(address, self.credentials)
        self.address = f"127.0.0.1:{self.port}"
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop(None).wait()

    def ServerLive(self, request: Any, context: grpc.ServicerContext) -> Any:
        return service_pb2.ServerLiveResponse(live=True)

    def ServerReady(self, request: Any, context: grpc.ServicerContext) -> Any:
        return service_pb2.ServerReadyResponse(ready=not self.unloaded)

    def ModelReady(self, request: Any, context: grpc.ServicerContext) -> Any:
        return service_pb2.ModelReadyResponse(ready=request.name in self.scripts.keys() - self.unloaded)

    def ModelInfer(self, request: Any, context: grpc.ServicerContext) -> Any:
        try:
            return next(self._answers(request, context))
        except Refusal as refusal:
            context.abort(refusal.code, refusal.text)

    def ModelStreamInfer(self, requests: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:
        [request] = list(requests)  # ends with the half-close
        if (request_id := _cancelled_id(request)) is not None:
            yield service_pb2.ModelStreamInferResponse(infer_response=self._cancel(request, request_id, context))
            return
        finished = threading.Event()
        context.add_callback(lambda: None if finished.is_set() else self._rpc_cancelled())
        try:
            for response in self._answers(request, context):
                yield service_pb2.ModelStreamInferResponse(infer_response=response)
        except Refusal as refusal:
            finished.set()
            yield service_pb2.ModelStreamInferResponse(error_message=refusal.text)
        finished.set()

    def _answers(self, request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        pairs = _pairs(request.inputs, request.raw_input_contents)
        inputs = {tensor.name: _payload(request.model_name, tensor, raw) for tensor, raw in pairs}
        headers = dict(context.invocation_metadata())
        timeout_s = request.parameters["timeout"].int64_param / 1e6 if "timeout" in request.parameters else None
        left_s = context.time_remaining()
        self.received.append(Received(request.model_name, request.id, inputs, left_s, headers, timeout_s))
        if request.model_name not in self.scripts.keys() - self.unloaded:
            message = f"Request for unknown model: '{request.model_name}' is not found"
            raise Refusal(grpc.StatusCode.NOT_FOUND, message, by_model=False)
        if "sequence_id" in request.parameters:
            inputs |= self._sequence_controls(request)
        self.open_ids.add(request.id)
        self.served.is_over = lambda: self._is_cancelled(request.id) or not context.is_active()
        try:
            for payloads in self._until_cancelled(request, self.scripts[request.model_name](inputs)):
                yield _response(request, payloads)
        finally:
            self.open_ids.discard(request.id)

    def _until_cancelled(self, request: Any, steps: Iterator[Payloads]) -> Iterator[Payloads]:
        last: Payloads = {}
        for last in steps:
            if self._is_cancelled(request.id):
                break
            yield last
        if self._is_cancelled(request.id):
            if "EVENT" not in last:
                raise Refusal(grpc.StatusCode.CANCELLED, "the request was cancelled")
            yield {**dict.fromkeys(last, b""), "EVENT": json.dumps(CANCELLED_END).encode()}

    def hold(self, timeout_s: float) -> bool:
        """For scripts: wait until the request that is served is cancelled; False: it was not, for so long."""
        end_s = time.monotonic() + timeout_s
        while not self.served.is_over() and time.monotonic() < end_s:
            time.sleep(0.002)
        return bool(self.served.is_over())

    def _is_cancelled(self, request_id: str) -> bool:
        return self.obeys and any(one.found and one.request_id == request_id for one in self.cancels)

    def _cancel(self, request: Any, request_id: str, context: grpc.ServicerContext) -> Any:
        pairs = _pairs(request.inputs, request.raw_input_contents)
        empty = tuple(tensor.name for tensor, raw in pairs if tuple(_items(tensor, raw)) == (b"",))
        found = request_id in self.open_ids and len(self.cancels) >= self.num_deaf
        headers = dict(context.invocation_metadata())
        self.cancels.append(Cancel(request.model_name, request_id, headers, empty, found))
        if found and self.obeys:
            self.cancelled.set()
        return _response(request, {"EVENT": json.dumps({"type": "end", "found": found}).encode()})

    def _rpc_cancelled(self) -> None:
        self.cancelled.set()
        self.rpc_cancelled.set()

    def _sequence_controls(self, request: Any) -> dict[str, bytes]:
        number = request.parameters["sequence_id"].int64_param
        start, end = (request.parameters[f"sequence_{name}"].bool_param for name in ("start", "end"))
        if start:
            self.open_sequences.add(number)
        if number not in self.open_sequences:
            message = f"inference request for sequence {number} must specify the START flag on the first request"
            raise Refusal(grpc.StatusCode.INVALID_ARGUMENT, message, by_model=False)
        if end:
            self.open_sequences.remove(number)
        return {"CORRID": str(number).encode(), "START": b"1" if start else b"0", "END": b"1" if end else b"0"}


def _cancelled_id(request: Any) -> str | None:
    for tensor, raw in _pairs(request.inputs, request.raw_input_contents):
        if tensor.name == "OPTIONS":
            return json.loads(next(_items(tensor, raw))).get("cancel")
    return None


def _pairs(tensors: Any, contents: Any) -> Iterator[tuple[Any, bytes]]:
    return zip(tensors, contents, strict=True)


def _payload(model: str, tensor: Any, raw: bytes) -> bytes | tuple[bytes, ...]:
    items = tuple(_items(tensor, raw))
    several = (model, tensor.name) in SEVERAL
    if tensor.datatype != "BYTES" or list(tensor.shape) != [1, len(items) if several else 1]:
        raise Refusal(grpc.StatusCode.INVALID_ARGUMENT, f"{tensor.name} is {tensor.datatype} {list(tensor.shape)}")
    return items if several else items[0]


def _items(tensor: Any, raw: bytes) -> Iterator[bytes]:
    while raw:
        num_bytes = LENGTH_BYTES + int.from_bytes(raw[:LENGTH_BYTES], "little")
        if num_bytes > len(raw):
            raise Refusal(grpc.StatusCode.INVALID_ARGUMENT, f"{tensor.name} has a wrong length")
        yield raw[LENGTH_BYTES:num_bytes]
        raw = raw[num_bytes:]


def _response(request: Any, payloads: Payloads) -> Any:
    tensor = service_pb2.ModelInferResponse.InferOutputTensor
    return service_pb2.ModelInferResponse(
        model_name=request.model_name,
        model_version="1",
        id=request.id,
        outputs=[tensor(name=name, datatype="BYTES", shape=[1, 1]) for name in payloads],
        raw_output_contents=[len(item).to_bytes(LENGTH_BYTES, "little") + item for item in payloads.values()],
    )
