"""Requests as tests/recorded tells them, as KServe messages. The wire is written out here, without the SDK.

A request is a JSON object of tensors by name. A text is BYTES of shape [1, 1]; an object is its JSON, unless it has one
of the keys of `PAYLOADS` or `NUMBERS`. "$token" in a text stands for the last token that the server has told. Keys with
@ are no tensors: `@id` and `@parameters` of the request, and see `OPEN` and `LAST`.
"""

import json
import wave
from base64 import b64encode
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from tritonclient.grpc import service_pb2

HOME = Path(__file__).resolve().parents[1]
LENGTH_BYTES = 4
TOKEN = "$token"

Request = Mapping[str, Any]


def message(model: str, request: Request, token: str, sequence_id: int) -> service_pb2.ModelInferRequest:
    """`sequence_id` takes the place of the one in `@parameters`, so that runs do not meet."""
    tensors = [_tensor(name, value, token) for name, value in request.items() if not name.startswith("@")]
    built = service_pb2.ModelInferRequest(
        model_name=model,
        id=request.get("@id", ""),
        inputs=[tensor for tensor, _ in tensors],
        raw_input_contents=[content for _, content in tensors],
    )
    for name, value in request.get("@parameters", {}).items():
        kind = {bool: "bool_param", int: "int64_param", str: "string_param"}[type(value)]
        setattr(built.parameters[name], kind, sequence_id if name == "sequence_id" else value)
    return built


def _tensor(name: str, value: Any, token: str) -> tuple[service_pb2.ModelInferRequest.InferInputTensor, bytes]:
    datatype, shape, content = _content(value, token)
    tensor = service_pb2.ModelInferRequest.InferInputTensor(name=name, datatype=datatype, shape=shape)
    return tensor, content


def _content(value: Any, token: str) -> tuple[str, list[int], bytes]:
    if isinstance(value, dict) and len(value) == 1:
        [(key, told)] = value.items()
        if key in NUMBERS:
            return key[1:], [1, 1], NUMBERS[key](told)
        if key == "$several":
            return "BYTES", [1, len(told)], b"".join(_framed(_payload(item, token)) for item in told)
    return "BYTES", [1, 1], _framed(_payload(value, token))


def _payload(value: Any, token: str) -> bytes:
    if isinstance(value, dict) and len(value) == 1:
        [(key, told)] = value.items()
        if key in PAYLOADS:
            return PAYLOADS[key](told)
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text.replace(TOKEN, token).encode()


def _framed(item: bytes) -> bytes:
    """As Triton has each item of a BYTES tensor: behind its length."""
    return len(item).to_bytes(LENGTH_BYTES, "little") + item


def _samples(told: tuple[str, float, float]) -> bytes:
    """The raw samples of a stretch of a WAV file: [file, start_s, end_s]."""
    name, start_s, end_s = told
    with wave.open(str(HOME / name)) as file:
        start = int(start_s * file.getframerate())
        file.setpos(start)
        return file.readframes(int(end_s * file.getframerate()) - start)


def _silence(duration_s: float) -> bytes:
    """16-bit samples at 16 kHz."""
    return bytes(2 * int(16_000 * duration_s))


PAYLOADS: dict[str, Callable[[Any], bytes]] = {
    "$file": lambda name: (HOME / name).read_bytes(),
    "$samples": _samples,
    "$silence_s": _silence,
    "$repeated": lambda told: (told[0] * told[1]).encode(),
    "$base64_of": lambda name: b64encode((HOME / name).read_bytes()),
}
NUMBERS: dict[str, Callable[[Any], bytes]] = {
    "$BOOL": lambda value: bytes([value]),
    "$INT32": lambda value: value.to_bytes(4, "little", signed=True),
    "$UINT32": lambda value: value.to_bytes(4, "little"),
    "$UINT64": lambda value: value.to_bytes(8, "little"),
    "$FP32": lambda value: np.float32(value).tobytes(),
}
