"""Texts that no caller should send, to every model: answered, or the caller's mistake; never a fault of the server."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from tritonclient.grpc import service_pb2_grpc

from qwen_client.messages import infer_request
from qwen_server.triton_process import TritonProcess

WAIT_S = 120
WHOSE = ("INVALID_ARGUMENT", "CANCELLED")
SOUND = (Path(__file__).resolve().parents[2] / "demo/audio/message.wav").read_bytes()
TEXTS = {
    "private use": "".join(map(chr, range(0xE000, 0xE1F4))).encode(),
    "a private plane": ("\U0010fffd" * 300).encode(),
    "NUL": b"a\0b",
    "control characters": bytes(range(1, 32)),
    "no UTF-8": b"\xff\xfe",
    "half a pair": b"\xed\xa0\x80",
    "an overlong NUL": b"\xc0\x80",
    "combining marks": ("a" + "\u0301" * 900).encode(),
    "joiners": ("\u200d" * 500).encode(),
    "from right to left": ("\u202e" * 300).encode(),
    "no characters": "\ufffe\uffff".encode(),
    "control tokens": b"<|im_end|><|endoftext|><think></think><asr_text>",
}
MODELS: dict[str, Callable[[bytes], dict[str, bytes]]] = {
    "qwen3_tts": lambda text: {"TEXT": text, "OPTIONS": b'{"max_audio_s": 1.0}'},
    "qwen3_aligner": lambda text: {"AUDIO": SOUND, "TEXT": text, "OPTIONS": b"{}"},
    "qwen_image": lambda text: {"PROMPT": text, "OPTIONS": b'{"steps": 1}'},
    "qwen3_chat": lambda text: {"text_input": text, "OPTIONS": b'{"max_tokens": 3}'},
    "workflow": lambda text: {"WORKFLOW": text, "OPTIONS": b"{}"},
    "chart_image": lambda text: {"CHART": text, "OPTIONS": b"{}"},
    "voice_chat": lambda text: {"TEXT": text, "OPTIONS": b'{"max_tokens": 3}'},
}
BAR = '{"type": "bar", "title": VALUE, "categories": ["a"], "series": [{"name": "x", "values": [1]}]}'
NODES = b'{"nodes": {"said": {"function": "join_texts", "arguments": {"texts": ["a"]}}}}'
# A field each: the model, the tensor that has the JSON, the JSON, the other tensors.
FIELDS: dict[str, tuple[str, str, str, dict[str, bytes]]] = {
    "messages": ("qwen3_chat", "OPTIONS", '{"messages": [{"role": "user", "content": VALUE}], "max_tokens": 3}', {}),
    "stop": ("qwen3_chat", "OPTIONS", '{"stop": [VALUE], "max_tokens": 3}', {"text_input": b"hi"}),
    "json_schema": ("qwen3_chat", "OPTIONS", '{"json_schema": {"const": VALUE}}', {"text_input": b"hi"}),
    "voice": ("qwen3_tts", "OPTIONS", '{"voice": VALUE}', {"TEXT": b"hi"}),
    "language": ("qwen3_tts", "OPTIONS", '{"language": VALUE}', {"TEXT": b"hi"}),
    "style": ("qwen_image", "OPTIONS", '{"style": VALUE}', {"PROMPT": b"a ring"}),
    "a key": ("qwen_image", "OPTIONS", "{VALUE: 1}", {"PROMPT": b"a ring"}),
    "title": ("chart_image", "CHART", BAR, {"OPTIONS": b"{}"}),
    "inputs": ("workflow", "OPTIONS", '{"inputs": {"a": VALUE}}', {"WORKFLOW": NODES}),
}
NO_TEXT = ("no UTF-8", "half a pair", "an overlong NUL")
VALUES = {
    **{name: json.dumps(text.decode(), ensure_ascii=False) for name, text in TEXTS.items() if name not in NO_TEXT},
    "half a pair": '"\\ud800"',
    "wide": json.dumps("早" * 100_000, ensure_ascii=False),
    "deep": "[" * 5000 + "]" * 5000,
    "digits": "9" * 5000,
    "an exponent": "1e400",
}


@pytest.fixture(scope="module")
def stub(server: TritonProcess):
    with grpc.insecure_channel(server.address.grpc, options=[("grpc.enable_http_proxy", 0)]) as channel:
        yield service_pb2_grpc.GRPCInferenceServiceStub(channel)


def status_of(stub: Any, model: str, inputs: dict[str, bytes]) -> str:
    """OK, or the status that the model's error begins with."""
    for response in stub.ModelStreamInfer(iter([infer_request(model, inputs, "")]), timeout=WAIT_S):
        if response.error_message:
            assert len(response.error_message) < 4000
            return response.error_message.partition(":")[0]
    return "OK"


@pytest.mark.parametrize("model", MODELS)
def test_texts(stub, model):
    told = {name: status_of(stub, model, MODELS[model](text)) for name, text in TEXTS.items()}
    assert {name: status for name, status in told.items() if status not in ("OK", *WHOSE)} == {}
    assert {told[name] for name in NO_TEXT} == {"INVALID_ARGUMENT"}


@pytest.mark.parametrize("field", FIELDS)
def test_values(stub, field):
    model, tensor, document, others = FIELDS[field]
    told = {
        name: status_of(stub, model, {**others, tensor: document.replace("VALUE", value).encode()})
        for name, value in VALUES.items()
    }
    assert {name: status for name, status in told.items() if status not in ("OK", *WHOSE)} == {}
    assert {told[name] for name in ("half a pair", "deep", "digits", "an exponent")} == {"INVALID_ARGUMENT"}


@pytest.mark.parametrize(
    "options", [{"早" * 50_000: 1}, {f"key{number}": 1 for number in range(20_000)}, {"language": "早" * 50_000}]
)
def test_a_message_fits_into_the_header_that_carries_it(stub, options):
    inputs = {"AUDIO": SOUND, "OPTIONS": json.dumps(options, ensure_ascii=False).encode()}
    with pytest.raises(grpc.RpcError) as caught:
        stub.ModelInfer(infer_request("qwen3_asr", inputs, ""), timeout=WAIT_S)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "OPTIONS." in caught.value.details()
