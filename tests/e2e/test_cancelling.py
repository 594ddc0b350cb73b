"""Requests that cancel others, and requests whose time is over, on a real Triton."""

import asyncio
import io
import json
import uuid
from concurrent.futures import ThreadPoolExecutor

import grpc
import numpy as np
import pytest
import soundfile
from tritonclient.grpc import service_pb2_grpc

from qwen_client import AsyncClient, ChainFailed, Client
from qwen_client.cancel_requests import cancel_method, cancel_requests, was_found
from qwen_client.channels import DIRECT
from qwen_client.messages import infer_request, read_answer, set_timeout
from tests import plain_http

WAIT_S = 60
LONG_TEXT = "Please show me a large purple triangle on a white background. " * 8
ENDLESS_TEXT = LONG_TEXT * 8


@pytest.fixture
def channel(server):
    with grpc.insecure_channel(server.address.grpc, DIRECT) as connected:
        yield connected


def ask(channel, request) -> bool:
    return any(was_found(cancel_method(channel)(one, timeout=WAIT_S)) for one in cancel_requests(request))


def test_a_stream_ends_as_cancelled_by_its_id(channel):
    options = json.dumps({"chunk_frames": [1]}).encode()
    request = infer_request("qwen3_tts", {"TEXT": LONG_TEXT.encode(), "OPTIONS": options}, uuid.uuid4().hex)
    stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
    responses = stub.ModelStreamInfer(iter([request]), timeout=WAIT_S)
    next(responses)
    assert ask(channel, request)
    *_, last = (read_answer(one.infer_response, request.id).json("EVENT") for one in responses)
    assert (last["type"], last["finish_reason"]) == ("end", "cancelled")
    assert not ask(channel, request)


def test_an_id_that_somebody_else_may_have_too_cancels_nothing(channel):
    """Two callers of one tenant that number their requests cannot end each other's."""
    request = infer_request("qwen3_tts", {"TEXT": b"Good morning everyone.", "OPTIONS": b"{}"}, "1")
    stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
    responses = stub.ModelStreamInfer(iter([request]), timeout=WAIT_S)
    (refused,) = (cancel_method(channel)(one, timeout=WAIT_S) for one in cancel_requests(request))
    assert "INVALID_ARGUMENT: OPTIONS.cancel is '1': an id of fewer than 16" in refused.error_message
    *_, last = (read_answer(one.infer_response, request.id).json("EVENT") for one in responses)
    assert (last["type"], last["finish_reason"]) == ("end", "stop")


def test_over_http_an_id_is_a_field_of_the_body(server):
    request_id = uuid.uuid4().hex
    body = {"TEXT": LONG_TEXT, "OPTIONS": json.dumps({"stream": False}), "id": request_id}
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(plain_http.ask, server, "qwen3_tts/generate", body)
        while not was_found_over_http(server, request_id):
            assert not asked.done()
        status, told = asked.result(WAIT_S)
    assert (status, "CANCELLED: the request was cancelled" in told) == (400, True)  # Triton has no status for it


def was_found_over_http(server, request_id: str) -> bool:
    body = {"TEXT": "", "OPTIONS": json.dumps({"cancel": request_id})}
    (told,) = plain_http.post(server, "qwen3_tts/generate_stream", body)
    return json.loads(told["EVENT"])["found"]


@pytest.mark.parametrize("model", ["qwen3_asr", "spoken_image", "aligned_transcript"])
def test_a_unary_model_and_ensembles_end_as_cancelled(channel, audio, model):
    """An ensemble at its members, which have its id."""
    sound = repeated((audio / "message.wav").read_bytes(), 40)
    options = {
        "qwen3_asr": ("OPTIONS",),
        "spoken_image": ("ASR_OPTIONS", "IMAGE_OPTIONS"),
        "aligned_transcript": ("ASR_OPTIONS", "ALIGN_OPTIONS"),
    }[model]
    request = infer_request(model, {"AUDIO": sound, **dict.fromkeys(options, b"{}")}, uuid.uuid4().hex)
    stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
    responses = stub.ModelStreamInfer(iter([request]), timeout=WAIT_S)
    while not ask(channel, request):
        pass
    [response] = responses
    assert "CANCELLED: the request was cancelled" in response.error_message


def repeated(wav: bytes, times: int) -> bytes:
    samples, rate = soundfile.read(io.BytesIO(wav), dtype="float32")
    file = io.BytesIO()
    soundfile.write(file, np.tile(samples, times)[: rate * 290], rate, format="WAV")
    return file.getvalue()


def test_a_request_whose_time_is_over_is_ended_by_the_server(channel):
    """Long before the RPC's own deadline."""
    request = infer_request("qwen3_tts", {"TEXT": ENDLESS_TEXT.encode(), "OPTIONS": b"{}"}, "")
    set_timeout(request, 1.0)
    stream = service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelStreamInfer(iter([request]), timeout=WAIT_S)
    last = list(stream)[-1]
    assert "not done within the time that the request allowed" in last.error_message


def test_a_chain_whose_time_is_over_tells_what_it_has_made(server):
    graph = {
        "nodes": {
            "quick": {"function": "join_texts", "arguments": {"texts": ["made", "in time"]}},
            **{
                f"long{seed}": {"model": "qwen3_tts", "inputs": {"TEXT": ENDLESS_TEXT}, "options": {"seed": seed}}
                for seed in range(12)
            },
        },
        "outputs": {"quick": "$quick.RESULT", **{f"long{seed}": f"$long{seed}.AUDIO" for seed in range(12)}},
    }
    with Client(server.address.grpc, timeout_s=2.0) as hurried, pytest.raises(ChainFailed) as caught:
        hurried.chains.run(graph)
    assert caught.value.status == "DEADLINE_EXCEEDED"
    assert caught.value.result.outputs["quick"] == "made in time"


def test_a_caption_stream_keeps_its_state_though_its_steps_have_a_timeout(server, audio):
    """Triton reads the parameter, too: for sequences that wait for a slot, and for nothing else."""
    samples, rate = soundfile.read(audio / "message.wav", dtype="int16")
    expected = (audio / "message.txt").read_text().strip()
    with Client(server.address.grpc, timeout_s=5) as client, client.asr.stream(sample_rate=rate) as captions:
        for piece in np.array_split(samples, 8):
            captions.feed(piece.tobytes())
        assert expected.split()[0] in captions.finish().text


def test_a_cancelled_transcription_stops_its_work(server, audio):
    async def leave() -> None:
        async with AsyncClient(server.address.grpc) as client:
            sound = repeated((audio / "message.wav").read_bytes(), 40)
            task = asyncio.create_task(client.asr.transcribe(sound, max_audio_s=300))
            await asyncio.sleep(0.2)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(leave())
    with Client(server.address.grpc) as client:
        assert client.asr.transcribe(audio / "message.wav").text == (audio / "message.txt").read_text().strip()
