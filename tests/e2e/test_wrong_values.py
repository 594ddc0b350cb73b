"""Every option of every model with values of every wrong kind: served, or refused by name, never our fault."""

import dataclasses
import io
import json
import math
import struct
import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import soundfile
from PIL import Image
from pydantic import BaseModel
from tritonclient.grpc import service_pb2, service_pb2_grpc

from qwen_client.cancel_requests import cancel_requests
from qwen_client.channels import DIRECT
from qwen_client.messages import infer_request
from qwen_wire import options
from qwen_wire.options import ChainOptions, VoiceChatOptions, WorkflowOptions
from qwen_wire.tensors import CHAINS, CHAT, MODELS

HOME = Path(__file__).resolve().parents[2]
SOUND = (HOME / "demo/audio/message.wav").read_bytes()
WAIT_S = 60
NUM_AT_ONCE = 8
# As JSON; some of it is none.
VALUES = {
    "null": "null", "NaN": "NaN", "infinity": "Infinity", "minus infinity": "-Infinity", "beyond a float": "1e999",
    "beyond 64 bits": str(2**64), "400 digits": "9" * 400, "minus one": "-1", "below 64 bits": str(-(2**63) - 1),
    "zero": "0", "a fraction": "1.5", "a tiny fraction": "5e-324", "the largest float": "1.7e308", "true": "true",
    "false": "false", "an empty text": '""', "a text": '"zzz"', "a number as text": '"1"', "spaces": '"  "',
    "NUL": '"a\\u0000b"', "half a pair": '"\\ud800"', "a long text": json.dumps("早" * 5000), "a path": '"../etc"',
    "an empty list": "[]", "a list of null": "[null]", "lists": "[[1], [[2]]]", "an empty object": "{}",
    "an object": '{"": {"": []}}', "deep lists": "[" * 500 + "]" * 500, "deep objects": '{"a":' * 500 + "1" + "}" * 500,
}  # fmt: skip
# What their values lead to names what they are for.
TOO_SHORT = {"max_audio_s": ("a fraction", "a tiny fraction"), "deadline_s": ("a tiny fraction",)}
NOT_FINITE = ("NaN", "infinity", "minus infinity", "beyond a float")
REFUSED_BEFORE_FIELDS = ("half a pair", "deep lists", "deep objects")
LONG = ("text_stream", "max_tokens")  # what comes of them is not read to its end
OURS = ("INTERNAL", "UNAVAILABLE", "nothing")
WRONG_TENSORS = ("another type", "two items", "two requests", "no items", "no requests", "three dimensions", "missing")


def picture() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(file, "PNG")
    return file.getvalue()


@dataclass(frozen=True)
class Asked:
    """A request that is soon served, and the schema of its OPTIONS; `base` are options that keep it short."""

    model: str
    schema: type[BaseModel]
    inputs: Mapping[str, bytes]
    base: Mapping[str, Any] = field(default_factory=dict)

    @property
    def fields(self) -> list[str]:
        return [info.alias or name for name, info in self.schema.model_fields.items()]

    def request(self, name: str = "", value: str = "") -> service_pb2.ModelInferRequest:
        """The request with one field as JSON says."""
        told = {key: json.dumps(one) for key, one in self.base.items()} | ({name: value} if name else {})
        document = ", ".join(f"{json.dumps(key)}: {one}" for key, one in told.items())
        request = infer_request(self.model, {**self.inputs, "OPTIONS": f"{{{document}}}".encode()}, "")
        if self.model == "qwen3_asr_stream":
            request.parameters["sequence_id"].int64_param = abs(hash((name, value))) % 2**62 + 1
            request.parameters["sequence_start"].bool_param = request.parameters["sequence_end"].bool_param = True
        return request


GRAPH = {"nodes": {"said": {"function": "join_texts", "arguments": {"texts": ["a"]}}}}
CHART = {"type": "bar", "categories": ["a"], "series": [{"name": "x", "values": [1]}]}
ASKED = [
    Asked("qwen3_asr", options.AsrOptions, {"AUDIO": SOUND}),
    Asked("qwen3_asr_stream", options.CaptionOptions, {"AUDIO": bytes(3200)}),
    Asked("qwen3_aligner", options.AlignerOptions, {"AUDIO": SOUND, "TEXT": b"Good morning."}),
    Asked("qwen3_tts", options.TtsOptions, {"TEXT": b"Hi."}, {"max_audio_s": 0.1}),
    Asked("qwen3_chat", options.ChatOptions, {"text_input": b"Hi."}, {"max_tokens": 1}),
    Asked("qwen_image", options.ImageOptions, {"PROMPT": b"a ring"}, {"steps": 2, "width": 32, "height": 32}),
    Asked("qwen3_vl", options.VisionOptions, {"IMAGE": picture(), "TEXT": b""}, {"max_new_tokens": 1}),
    Asked("chart_image", options.ChartOptions, {"CHART": json.dumps(CHART).encode()}),
    Asked("voice_chat", VoiceChatOptions, {"TEXT": b"Hi."}, {"max_tokens": 1}),
    Asked("workflow", WorkflowOptions, {"WORKFLOW": json.dumps(GRAPH).encode()}),
    Asked("describe_aloud", ChainOptions, {"IMAGE": picture(), "TEXT": b""}),
]


@dataclass(frozen=True)
class Outcome:
    """How a request ended: OK, or its status and message."""

    status: str
    message: str = ""


class Server:
    def __init__(self, stub: service_pb2_grpc.GRPCInferenceServiceStub) -> None:
        self._stub = stub

    def ask(self, request: service_pb2.ModelInferRequest, *, first_alone: bool = False) -> Outcome:
        """Reads streams to their end: to cancel an RPC at its last response can end Triton (server issue 7368)."""
        request.id = uuid.uuid4().hex
        outcomes: list[Outcome] = []
        for response in self._stub.ModelStreamInfer(iter([request]), timeout=WAIT_S):
            outcomes.append(_told(response))
            if first_alone and len(outcomes) == 1:
                self._cancel(request)
        if first_alone:
            return outcomes[0]
        return next((one for one in outcomes if one.status != "OK"), outcomes[-1] if outcomes else Outcome("nothing"))

    def _cancel(self, request: service_pb2.ModelInferRequest) -> None:
        for one in cancel_requests(request):
            list(self._stub.ModelStreamInfer(iter([one]), timeout=WAIT_S))


def _told(response: service_pb2.ModelStreamInferResponse) -> Outcome:
    if response.error_message:
        status = response.error_message.partition(":")[0]
        return Outcome(status if status.isupper() else "INVALID_ARGUMENT", response.error_message)
    names = [output.name for output in response.infer_response.outputs]
    if "EVENT" in names:
        event = json.loads(response.infer_response.raw_output_contents[names.index("EVENT")][4:])
        if error := event.get("error"):
            return Outcome(error["status"], error["message"])
    return Outcome("OK")


REPOSITORY = HOME / "model_repository"
GRAPHS = ("meeting_minutes", "storyboard", "courseware", "product_ad")


def silence() -> bytes:
    file = io.BytesIO()
    soundfile.write(file, np.zeros(1600, np.int16), 16_000, format="WAV")
    return file.getvalue()


SILENCE = silence()


@pytest.fixture(scope="module")
def asking(server) -> Iterator[Server]:
    with grpc.insecure_channel(server.address.grpc, options=DIRECT) as channel:
        yield Server(service_pb2_grpc.GRPCInferenceServiceStub(channel))


def test_every_model_is_asked():
    assert {wire.name for wire in (*MODELS, *CHAINS)} <= {asked.model for asked in ASKED}


@pytest.mark.parametrize("asked", ASKED, ids=lambda asked: asked.model)
def test_options(asking, asked):
    def ask(case: tuple[str, str]) -> Outcome:
        name, value = case
        return asking.ask(asked.request(name, VALUES[value]), first_alone=name in LONG)

    cases = [(name, value) for name in asked.fields for value in VALUES]
    with ThreadPoolExecutor(NUM_AT_ONCE) as pool:
        told = dict(zip(cases, pool.map(ask, cases), strict=True))
    short = {(name, value) for name, several in TOO_SHORT.items() for value in several}
    told = {case: one for case, one in told.items() if case not in short or one.status in OURS}
    assert {case: one for case, one in told.items() if one.status not in ("OK", "INVALID_ARGUMENT")} == {}
    refused = {case: one.message for case, one in told.items() if one.status == "INVALID_ARGUMENT"}
    assert {(name, value) for name, value in refused} >= {
        (name, value) for name in asked.fields for value in (*REFUSED_BEFORE_FIELDS, *NOT_FINITE)
    }
    unnamed = {
        case: message for case, message in refused.items()
        if case[0] not in message and case[1] not in REFUSED_BEFORE_FIELDS
    }  # fmt: skip
    assert unnamed == {}
    assert asking.ask(asked.request()).status == "OK"


def wrong(asked: Asked, name: str, how: str) -> service_pb2.ModelInferRequest:
    """The request with one tensor as it should not be."""
    request = asked.request()
    index = next(index for index, one in enumerate(request.inputs) if one.name == name)
    tensor, content = request.inputs[index], request.raw_input_contents[index]
    changes: dict[str, tuple[list[int], bytes]] = {
        "another type": ([1, 1], bytes(4)), "two items": ([1, 2], content * 2), "two requests": ([2, 1], content * 2),
        "no items": ([1, 0], b""), "no requests": ([0, 1], b""), "three dimensions": ([1, 1, 1], content),
    }  # fmt: skip
    if how == "missing":
        del request.inputs[index], request.raw_input_contents[index]
        return request
    tensor.shape[:], request.raw_input_contents[index] = changes[how]
    if how == "another type":
        tensor.datatype = "INT32"
    return request


@pytest.mark.parametrize("asked", ASKED, ids=lambda asked: asked.model)
def test_tensors(asking, asked):
    cases = [(tensor, how) for tensor in (*asked.inputs, "OPTIONS") for how in WRONG_TENSORS]
    told = {case: asking.ask(wrong(asked, *case)) for case in cases}
    extra = asked.request()
    extra.inputs.add(name="FURTHER", datatype="BYTES", shape=[1, 1])
    extra.raw_input_contents.append(b"\1\0\0\0x")
    told["FURTHER", "one more"] = asking.ask(extra)
    assert {case: one for case, one in told.items() if one.status not in ("OK", "INVALID_ARGUMENT")} == {}
    refused = {case: one.message for case, one in told.items() if one.status == "INVALID_ARGUMENT"}
    unnamed = {case: message for case, message in refused.items() if case[0] not in message}
    assert {case for case in unnamed if case[1] != "two requests"} == set()  # Triton names the tensor that differs
    assert asking.ask(asked.request()).status == "OK"


NUMBERS: dict[str, list[Any]] = {
    "FP32": [math.nan, math.inf, -math.inf, 3.4e38, -1.0, 0.0, 1e-45],
    "INT32": [-(2**31), -1, 0, 1, 2**31 - 1],
    "UINT32": [0, 1, 2**32 - 1],
    "UINT64": [0, 2**63, 2**64 - 1],
    "BOOL": [False, True],
    "BYTES": [b"", b"zzz", b"\xff", b"a\0b", b"[" * 500, b"1" * 500],
}
TYPES = {"FP32": np.float32, "INT32": np.int32, "UINT32": np.uint32, "UINT64": np.uint64, "BOOL": np.bool_}


def content(kind: str, value: Any) -> bytes:
    return struct.pack("<I", len(value)) + value if kind == "BYTES" else np.array(value, TYPES[kind]).tobytes()


def test_numbers_in_tensors_of_their_own(asking):
    """Of chat, which takes what other frontends send."""
    asked = next(one for one in ASKED if one.model == CHAT.name)
    told = {}
    for tensor in CHAT.inputs:
        for value in NUMBERS[tensor.type] if tensor.name not in ("OPTIONS", "text_input") else ():
            base = {} if tensor.name == "max_tokens" else asked.base
            request = dataclasses.replace(asked, base=base).request()
            request.inputs.add(name=tensor.name, datatype=tensor.type, shape=[1, 1])
            request.raw_input_contents.append(content(tensor.type, value))
            told[tensor.name, str(value)] = asking.ask(request, first_alone=tensor.name in LONG)
    assert {case: one for case, one in told.items() if one.status not in ("OK", "INVALID_ARGUMENT")} == {}
    refused = {case: one.message for case, one in told.items() if one.status == "INVALID_ARGUMENT"}
    assert {case: message for case, message in refused.items() if case[0] not in message} == {}
    assert {(name, number) for name, number in refused if name == "temperature"} >= {
        ("temperature", number) for number in ("nan", "inf", "-inf", "-1.0")
    }


@pytest.mark.parametrize("name", GRAPHS)
def test_inputs_of_chains(asking, name):
    """Nothing is said to them, so most runs end soon; whatever they are told besides is no fault of ours."""
    graph = json.loads((REPOSITORY / name / "1" / "graph.json").read_text())
    tensors = {"bytes": "AUDIO", "text": "TEXT"}
    own = [one for one, given in graph["inputs"].items() if given["type"] not in tensors]

    def ask(case: tuple[str, str]) -> Outcome:
        field, value = case
        told = f'{{"inputs": {{"{field}": {VALUES[value]}}}}}'.encode()
        return asking.ask(infer_request(name, {"AUDIO": SILENCE, "OPTIONS": told}, ""))

    cases = [(field, value) for field in own for value in VALUES]
    with ThreadPoolExecutor(NUM_AT_ONCE) as pool:
        told = dict(zip(cases, pool.map(ask, cases), strict=True))
    assert {case: one for case, one in told.items() if one.status not in ("OK", "INVALID_ARGUMENT")} == {}
    assert {case for case, one in told.items() if one.status == "INVALID_ARGUMENT"} >= {
        (field, value) for field in own for value in (*REFUSED_BEFORE_FIELDS, *NOT_FINITE)
    }


def test_a_deadline_that_is_over_at_once_is_no_fault_of_ours(asking):
    """gRPC calls it an internal error where a call's time is over before it has begun."""
    asked = next(one for one in ASKED if one.model == "voice_chat")
    with ThreadPoolExecutor(NUM_AT_ONCE) as pool:
        told = pool.map(lambda _: asking.ask(asked.request("deadline_s", VALUES["a tiny fraction"])), range(100))
    assert {one.status for one in told} <= {"DEADLINE_EXCEEDED", "OK"}
