"""/v2 of the gateway in front of a real Triton: its own HTTP client unchanged, streams, what is refused, who leaves."""

import json
import socket
from base64 import b64decode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2 as httpx
import numpy as np
import pytest
import tritonclient.http
from tritonclient.utils import InferenceServerException

from qwen_server.triton_process import TritonProcess
from tests.gateway_thread import GatewayThread
from tests.leavers import unharmed

TTS = "/v2/models/qwen3_tts"
TEXT = "Good morning everyone."


@pytest.fixture(scope="module")
def gateway(server: TritonProcess) -> Iterator[GatewayThread]:
    http = server.address.http.removeprefix("http://")
    with GatewayThread(triton=(server.address.grpc,), triton_http=(http,)) as running:
        yield running


@pytest.fixture
def v2(gateway: GatewayThread) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=gateway.url, timeout=120, trust_env=False) as client:
        yield client


@pytest.fixture
def official(gateway: GatewayThread) -> Iterator[tritonclient.http.InferenceServerClient]:
    client = tritonclient.http.InferenceServerClient(f"127.0.0.1:{gateway.port}", network_timeout=120)
    yield client
    client.close()


def tensor(name: str, data: bytes | str, is_binary: bool = True) -> tritonclient.http.InferInput:
    made = tritonclient.http.InferInput(name, [1, 1], "BYTES")
    made.set_data_from_numpy(np.array([[data]], np.object_), binary_data=is_binary)
    return made


def test_the_official_client(official: tritonclient.http.InferenceServerClient, audio: Any) -> None:
    assert official.is_server_live()
    assert official.is_server_ready()
    assert official.is_model_ready("qwen3_asr")
    assert not official.is_model_ready("qwen3_asr", "9")
    assert official.get_server_metadata()["name"] == "triton"
    metadata = official.get_model_metadata("qwen3_asr", "1")
    assert [one["name"] for one in metadata["inputs"]] == ["AUDIO", "OPTIONS"]
    inputs = [tensor("AUDIO", (audio / "message.wav").read_bytes()), tensor("OPTIONS", "{}", is_binary=False)]
    for is_binary in (True, False):
        outputs = [tritonclient.http.InferRequestedOutput(name, is_binary) for name in ("TEXT", "RESULT")]
        answer = official.infer("qwen3_asr", inputs, outputs=outputs, request_id="my own request")
        text = answer.as_numpy("TEXT").item()
        assert (text.decode() if is_binary else text) == (audio / "message.txt").read_text().strip()
        assert answer.get_response()["id"] == "my own request"


def test_errors_reach_the_official_client(official: tritonclient.http.InferenceServerClient) -> None:
    with pytest.raises(InferenceServerException) as caught:
        official.infer("qwen3_asr", [tensor("AUDIO", b"no sound"), tensor("OPTIONS", "{}")])
    assert caught.value.status() == "400"
    assert "AUDIO" in str(caught.value)
    with pytest.raises(InferenceServerException, match="unexpected inference input"):
        official.infer("qwen3_asr", [tensor("AUDIO", b""), tensor("OTHER", "{}")])


def test_a_class_of_a_text_is_refused_and_the_server_lives_on(
    server: TritonProcess, official: tritonclient.http.InferenceServerClient, v2: httpx.Client
) -> None:
    with unharmed(server):
        outputs = [tritonclient.http.InferRequestedOutput("TEXT", class_count=1)]
        with pytest.raises(InferenceServerException, match="binary_data, and nothing else"):
            official.infer("qwen3_asr", [tensor("AUDIO", b""), tensor("OPTIONS", "{}")], outputs=outputs)
        deep = v2.post(f"{TTS}/infer", content=b"[" * 20_000_000, headers={"content-type": "application/json"})
        assert deep.status_code == 400


def test_generate_with_options_as_an_object(v2: httpx.Client, client: Any) -> None:
    options = {"stream": False, "output_encoding": "base64", "seed": 1}
    answer = v2.post(f"{TTS}/generate", json={"TEXT": TEXT, "OPTIONS": options})
    assert answer.status_code == 200, answer.text
    assert json.loads(answer.json()["EVENT"])["finish_reason"] == "stop"
    sound = b64decode(answer.json()["AUDIO"])
    assert len(sound) == 2 * len(client.tts.synthesize(TEXT, seed=1).samples)


def test_generate_stream_streams(v2: httpx.Client) -> None:
    options = {"chunk_frames": [1], "output_encoding": "base64"}
    with v2.stream("POST", f"{TTS}/generate_stream", json={"TEXT": TEXT, "OPTIONS": options}) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        events = [json.loads(json.loads(line[6:])["EVENT"]) for line in answer.iter_lines() if line]
    assert [one["type"] for one in events] == [*["audio"] * (len(events) - 1), "end"]
    assert len(events) > 5


def test_a_chain_streams(v2: httpx.Client) -> None:
    graph = {"nodes": {"drawn": {"model": "qwen_image", "inputs": {"PROMPT": "a red ring"}}}}
    body = {"WORKFLOW": graph, "OPTIONS": {"output_encoding": "base64"}}
    with v2.stream("POST", "/v2/models/workflow/generate_stream", json=body) as answer:
        events = [json.loads(json.loads(line[6:])["EVENT"]) for line in answer.iter_lines() if line]
    assert (events[-1]["type"], events[-1]["finish_reason"]) == ("end", "stop")


def test_errors_have_triton_s_form(v2: httpx.Client) -> None:
    wrong = v2.post(f"{TTS}/generate", json={"TEXT": TEXT, "OPTIONS": {"speaker": "nobody", "stream": False}})
    assert (wrong.status_code, wrong.json()["type"]) == (400, "invalid_request_error")
    assert "speaker" in wrong.json()["error"]
    assert v2.post("/v2/models/qwen3_tts/versions/9/generate", json={"TEXT": TEXT}).status_code in (400, 503)


@pytest.mark.parametrize(
    "path", ["/v2/repository/index", f"{TTS}/config", f"{TTS}/stats", "/v2/logging", "/v2/systemsharedmemory/status"]
)
def test_triton_s_administration_is_not_reachable(path: str, v2: httpx.Client) -> None:
    for method in ("GET", "POST"):
        answer = v2.request(method, path)
        assert answer.status_code in (404, 405, 422)
        assert set(answer.json()) == {"error"}


def leave(gateway: GatewayThread, verb: str, num_bytes: int) -> None:
    """Read so much of an answer, and go."""
    fields = {"TEXT": TEXT, "OPTIONS": {"chunk_frames": [1], "output_encoding": "base64", "stream": verb != "generate"}}
    body = json.dumps(fields).encode()
    head = f"POST {TTS}/{verb} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=60) as connection:
        connection.sendall(f"{head}\r\n".encode() + body)
        while num_bytes > 0 and (data := connection.recv(min(num_bytes, 65536))):
            num_bytes -= len(data)


def test_callers_who_leave(server: TritonProcess, gateway: GatewayThread) -> None:
    """At every moment, the last one among them; nobody else notices, and no process is another one."""
    whole = len(stream_of(gateway))
    places = [0, 1, 1000, whole // 4, whole // 2, 3 * whole // 4, whole - 2000, whole - 200, whole - 5, whole]
    with unharmed(server), ThreadPoolExecutor(4) as pool:
        for verb in ("generate_stream", "generate"):
            list(pool.map(lambda place, verb=verb: leave(gateway, verb, place), places * 4))


def stream_of(gateway: GatewayThread) -> bytes:
    options = {"chunk_frames": [1], "output_encoding": "base64"}
    body = {"TEXT": TEXT, "OPTIONS": options}
    return httpx.post(f"{gateway.url}{TTS}/generate_stream", json=body, timeout=120).content


def test_speech_is_whole(v2: httpx.Client) -> None:
    """What is read out for one caller is no other caller's."""
    options = {"stream": False, "output_encoding": "base64", "seed": 1}
    sent = [{"TEXT": text, "OPTIONS": options} for text in ("Good morning.", "Send the price to Frank today.")] * 4
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda body: v2.post(f"{TTS}/generate", json=body), sent))
    assert {one.status_code for one in answers} == {200}
    lengths = [len(b64decode(one.json()["AUDIO"])) for one in answers]
    assert len(set(lengths[::2])) == len(set(lengths[1::2])) == 1
    assert lengths[0] != lengths[1]
