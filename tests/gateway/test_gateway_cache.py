"""Answers that the gateway keeps: the same request is answered at once, where its answer is the same every time."""

import base64
from typing import Any

import httpx2 as httpx
import pytest
from fake_triton import FakeTriton

from tests.gateway_thread import GatewayThread

SPEECH = {"audio_data": base64.b64encode(b"RIFF").decode()}
KEPT: dict[str, dict[str, Any]] = {
    "/api/v1/asr/transcribe": SPEECH,
    "/api/v1/tts/synthesize": {"text": "Hello.", "seed": 1},
    "/api/v1/image/generate": {"prompt": "a ring", "options": {"seed": 1}},
    "/api/v1/vision/describe": {"image_data": SPEECH["audio_data"]},
    "/api/v1/chat": {"messages": [{"role": "user", "content": "Hi"}], "seed": 1},
}
RANDOM: dict[str, dict[str, Any]] = {
    "/api/v1/tts/synthesize": {"text": "Hello."},
    "/api/v1/image/generate": {"prompt": "a ring"},
    "/api/v1/chat": {"messages": [{"role": "user", "content": "Hi"}]},
}


@pytest.mark.parametrize("path", KEPT)
def test_the_same_request_is_answered_from_memory(path: str, http: httpx.Client, triton: FakeTriton) -> None:
    first, second = (http.post(path, json=KEPT[path]) for _ in range(2))
    assert (first.status_code, second.status_code) == (200, 200)
    assert ("x-cache" in first.headers, second.headers.get("x-cache")) == (False, "hit")
    assert second.content == first.content
    assert second.headers["content-type"] == first.headers["content-type"]
    assert second.headers["x-request-id"] != first.headers["x-request-id"]
    assert len(triton.received) == 1


@pytest.mark.parametrize("path", RANDOM)
def test_what_is_random_is_made_anew(path: str, http: httpx.Client, triton: FakeTriton) -> None:
    answers = [http.post(path, json=RANDOM[path]) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert len(triton.received) == 2


def test_callers_do_not_share_answers(http: httpx.Client, triton: FakeTriton) -> None:
    for key in ("a", "b", "a"):
        http.post("/api/v1/asr/transcribe", json=SPEECH, headers={"authorization": f"Bearer {key}"})
    assert len(triton.received) == 2


def test_errors_are_not_kept(http: httpx.Client, triton: FakeTriton) -> None:
    script = triton.scripts.pop("qwen3_asr")
    assert http.post("/api/v1/asr/transcribe", json=SPEECH).status_code == 503
    triton.scripts["qwen3_asr"] = script
    assert http.post("/api/v1/asr/transcribe", json=SPEECH).status_code == 200


def test_the_oldest_give_way(triton: FakeTriton) -> None:
    with (
        GatewayThread(triton=(triton.address,), max_cache_bytes=2000) as gateway,
        httpx.Client(base_url=gateway.url, trust_env=False) as http,
    ):
        bodies = [{"audio_data": base64.b64encode(bytes([number])).decode()} for number in range(20)]
        for body in [*bodies, bodies[-1], bodies[0]]:
            assert http.post("/api/v1/asr/transcribe", json=body).status_code == 200
    assert len(triton.received) == 21


def test_none_are_kept_where_there_is_no_room(triton: FakeTriton) -> None:
    with (
        GatewayThread(triton=(triton.address,), max_cache_bytes=0) as gateway,
        httpx.Client(base_url=gateway.url, trust_env=False) as http,
    ):
        for _ in range(2):
            http.post("/api/v1/asr/transcribe", json=SPEECH)
    assert len(triton.received) == 2
