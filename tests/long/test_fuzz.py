"""Damaged files and odd options: every answer is a result or a refusal, and the server lives on."""

import io
import json
import random

import grpc
import numpy as np
import pytest
import soundfile
from PIL import Image
from tritonclient.grpc import service_pb2, service_pb2_grpc

from qwen_client import InvalidRequest, Picture, QwenError, Transcription
from qwen_client.channels import DIRECT
from tests.sounds import MAKERS, RATE_HZ

NUM_CASES = 150
NUM_CASES_EACH = 40  # of some fifty formats of sound
SEED = 5


def attempt(call):
    """What `call` returns, or the refusal it raises."""
    try:
        return call()
    except (QwenError, grpc.RpcError) as error:
        return error


def damaged(data: bytes, rng: random.Random) -> bytes:
    """Some bytes changed (headers most of all), and sometimes an end or a middle missing."""
    changed = bytearray(data)
    for _ in range(rng.randint(1, 12)):
        reach = 128 if rng.random() < 0.7 else len(changed)
        changed[rng.randrange(min(reach, len(changed)))] = rng.randrange(256)
    if rng.random() < 0.3:
        del changed[rng.randrange(len(changed)) :]
    if rng.random() < 0.2:
        start = rng.randrange(len(changed) + 1)
        del changed[start : start + rng.randrange(1, 4000)]
    return bytes(changed)


@pytest.mark.parametrize("name", MAKERS)
def test_damaged_audio(client, audio, name):
    rng = random.Random(f"{SEED} {name}")
    samples, rate_hz = soundfile.read(audio / "message.wav", dtype="float32")
    assert rate_hz == RATE_HZ
    original = MAKERS[name](samples)
    for _ in range(NUM_CASES_EACH):
        data = damaged(original, rng)
        outcome = attempt(lambda data=data: client.asr.transcribe(data))
        assert isinstance(outcome, Transcription | InvalidRequest), outcome
    expected = (audio / "message.txt").read_text().strip()
    assert client.asr.transcribe(audio / "message.wav").text == expected


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
def test_damaged_pictures(client, form):
    rng = random.Random(f"{SEED} {form}")
    noise = Image.fromarray(np.random.default_rng(SEED).integers(0, 255, (48, 48, 3), dtype=np.uint8))
    file = io.BytesIO()
    noise.save(file, form)
    expected = client.image.generate("a red ring", steps=2).data
    for _ in range(NUM_CASES):
        data = damaged(file.getvalue(), rng)
        outcome = attempt(lambda data=data: client.image.vary(data, "a red ring", steps=2))
        assert isinstance(outcome, Picture | InvalidRequest), outcome
        outcome = attempt(lambda data=data: client.image.inpaint(noise, data, "a red ring", steps=2))
        assert isinstance(outcome, Picture | InvalidRequest), outcome
    assert client.image.generate("a red ring", steps=2).data == expected


def odd_value(rng: random.Random, depth: int = 0) -> object:
    makers = [
        lambda: None,
        lambda: rng.random() < 0.5,
        lambda: rng.randint(-(2**70), 2**70),
        lambda: rng.choice([0.0, -1.5, 1e308, 0.5]),
        lambda: "".join(chr(rng.randint(1, 0x2FFF)) for _ in range(rng.randint(0, 30))),
        lambda: [odd_value(rng, depth + 1) for _ in range(3)] if depth < 3 else [],
        lambda: {rng.choice("abc"): odd_value(rng, depth + 1)} if depth < 3 else {},
    ]
    return rng.choice(makers)()


KEYS = ["language", "context", "max_new_tokens", "input_encoding", "output_encoding", "seed", "x"]


def test_odd_options(server, audio):
    rng = random.Random(SEED)
    tone = io.BytesIO()
    soundfile.write(tone, np.zeros(1600, np.float32), 16000, format="WAV")
    with grpc.insecure_channel(server.address.grpc, DIRECT) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        for _ in range(3 * NUM_CASES):
            options = json.dumps({rng.choice(KEYS): odd_value(rng) for _ in range(rng.randint(0, 3))}).encode()
            inputs = [
                service_pb2.ModelInferRequest.InferInputTensor(
                    name=name,
                    datatype="BYTES",
                    shape=[1, 1],
                    contents=service_pb2.InferTensorContents(bytes_contents=[payload]),
                )
                for name, payload in {"AUDIO": tone.getvalue(), "OPTIONS": options}.items()
            ]
            message = service_pb2.ModelInferRequest(model_name="qwen3_asr", inputs=inputs)
            outcome = attempt(lambda message=message: stub.ModelInfer(message, timeout=60))
            if isinstance(outcome, grpc.RpcError):
                assert outcome.code() == grpc.StatusCode.INVALID_ARGUMENT, (options, outcome.details())
