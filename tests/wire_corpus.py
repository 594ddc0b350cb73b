"""The corpus of tests/recorded: requests to each model of the demo profile, and what it answered.

A file a model: `method` is the call of KServe's gRPC service, `tensors` what the model says it takes and gives, `cases`
are requests with the answers to each.
"""

import json
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
from tritonclient.grpc import service_pb2, service_pb2_grpc

from tests.wire_answers import told
from tests.wire_requests import HOME, Request, message
from tests.wire_stages import in_order

FOLDER = HOME / "tests" / "recorded"
TIMEOUT_S = 300
DIRECT = [("grpc.enable_http_proxy", 0), ("grpc.max_receive_message_length", -1)]

OPEN = "@open"  # the next requests are sent while this one runs
LAST = "@last"  # how many responses come before the last one is left to chance

SEQUENCE = "$sequence"

Responses = list[dict[str, Any]]
Response = service_pb2.ModelInferResponse | dict[str, Any]
"""As it came, or an error's fields."""


def names() -> list[str]:
    """The models of the corpus."""
    return sorted(file.stem for file in FOLDER.glob("*.json"))


def load(model: str) -> dict[str, Any]:
    corpus: dict[str, Any] = json.loads(_file(model).read_text())
    return corpus


def save(model: str, corpus: dict[str, Any]) -> None:
    """A line for each request and each response, so that differences are easy to read."""
    lines = ["{", f'"method": {_line(corpus["method"])},', '"tensors": [']
    lines += [",\n".join(map(_line, corpus["tensors"])), "],", '"cases": {']
    lines += [",\n".join(_case(name, case) for name, case in corpus["cases"].items()), "}", "}"]
    _file(model).write_text("\n".join(lines) + "\n")


def _file(model: str) -> Path:
    return FOLDER / f"{model}.json"


def _case(name: str, case: dict[str, Any]) -> str:
    requests = ",\n".join(f"  {_line(request)}" for request in case["requests"])
    answers = ",\n".join("  [" + ",\n   ".join(map(_line, answer)) + "]" for answer in case["answers"])
    return f'{_line(name)}: {{"requests": [\n{requests}],\n "answers": [\n{answers}]}}'


def _line(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


class Door:
    """Sends requests of the corpus to a server."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)

    def tensors(self, model: str) -> list[str]:
        """The tensors of the model, as it tells them: `input NAME TYPE SHAPE`."""
        metadata = self._stub.ModelMetadata(service_pb2.ModelMetadataRequest(name=model), timeout=TIMEOUT_S)
        both = [("input", metadata.inputs), ("output", metadata.outputs)]
        return [f"{kind} {one.name} {one.datatype} {list(one.shape)}" for kind, several in both for one in several]

    def answers(self, model: str, method: str, requests: list[Request]) -> Any:
        """The responses to each of the requests, which are sent one after another."""
        call = {"ModelInfer": self._infer, "ModelStreamInfer": self._stream}[method]
        sequence_id = random.getrandbits(62) + 1
        token, running = "", []
        for request in requests:
            responses = call(message(model, request, token, sequence_id))
            running.append(([next(responses)] if OPEN in request else list(responses), responses))
            token = _token(running[-1][0]) or token
        found = [_told([*first, *rest], request) for request, (first, rest) in zip(requests, running, strict=True)]
        return json.loads(json.dumps(found).replace(str(sequence_id), SEQUENCE))  # errors name it

    def _infer(self, request: service_pb2.ModelInferRequest) -> Iterator[Response]:
        try:
            yield self._stub.ModelInfer(request, timeout=TIMEOUT_S)
        except grpc.RpcError as error:
            yield {"status": error.code().name, "error": error.details()}

    def _stream(self, request: service_pb2.ModelInferRequest) -> Iterator[Response]:
        for response in self._stub.ModelStreamInfer(iter([request]), timeout=TIMEOUT_S):
            yield {"error": response.error_message} if response.error_message else response.infer_response


def _told(responses: list[Response], request: Request) -> Responses:
    found = [one if isinstance(one, dict) else told(one) for one in responses]
    if LAST in request:
        found[-1]["EVENT"]["index"] = "*"
        return found[-1:]
    return in_order(found)


def _token(responses: list[Response]) -> str:
    """The last one that they tell."""
    contents = [content for one in responses if not isinstance(one, dict) for content in one.raw_output_contents]
    return "".join(match.decode() for match in re.findall(rb'"token": "([^"]+)"', b" ".join(contents))[-1:])
