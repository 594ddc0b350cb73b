"""What strangers send to the gateway: every answer has the form of an error, a right status and an id, and the next
request works."""

import json
import socket
import time
from typing import Any

import httpx2 as httpx
import pytest
from fake_triton import FakeTriton

from tests.gateway_thread import GatewayThread
from tests.waiting import until

ASR, TTS, IMAGE = "/api/v1/asr/transcribe", "/api/v1/tts/synthesize", "/api/v1/image/generate"
FORM = {"content-type": "multipart/form-data; boundary=b"}
JSON = {"content-type": "application/json"}


def checked(answer: httpx.Response, status: int, *, param: str | None = None) -> dict[str, Any]:
    """The error of an answer."""
    assert answer.status_code == status, answer.text
    assert set(answer.json()) == {"error"}
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["message"]
    assert "Traceback" not in answer.text
    assert answer.headers["x-request-id"]
    if param is not None:
        assert error["param"] == param
    return error


def works(http: httpx.Client) -> bool:
    return http.post(TTS, json={"text": "Hello.", "seed": 1}).status_code == 200


BODIES: dict[str, tuple[str, dict[str, Any], int]] = {
    "no body": (ASR, {"headers": JSON}, 400),
    "no content type": (ASR, {"content": b"{}"}, 415),
    "text": (ASR, {"content": b"hello", "headers": {"content-type": "text/plain"}}, 415),
    "not JSON": (ASR, {"content": b"{", "headers": JSON}, 400),
    "a list": (ASR, {"json": []}, 400),
    "null": (ASR, {"json": None, "headers": JSON}, 400),
    "invalid UTF-8": (TTS, {"content": b'{"text": "\xff"}', "headers": JSON}, 400),
    "half a surrogate pair": (TTS, {"content": b'{"text": "\\ud800"}', "headers": JSON}, 400),
    "NaN": (IMAGE, {"content": b'{"prompt": "x", "options": {"guidance_scale": NaN}}', "headers": JSON}, 400),
    "a huge number": (IMAGE, {"content": b'{"prompt": "x", "options": {"seed": 1e999}}', "headers": JSON}, 400),
    "a huge integer": (IMAGE, {"json": {"prompt": "x", "options": {"seed": 10**30}}}, 422),
    "deep JSON": (TTS, {"content": b'{"text": ' + b"[" * 5000 + b"]" * 5000 + b"}", "headers": JSON}, 400),
    "many values": (TTS, {"content": json.dumps({"text": [0] * 60_000}).encode(), "headers": JSON}, 400),
    "nothing to hear": (ASR, {"json": {}}, 400),
    "two recordings": (ASR, {"files": {"file": b"x"}, "data": {"audio_data": "eA=="}}, 400),
    "an empty file": (ASR, {"files": {"file": b""}}, 400),
    "no base64": (ASR, {"json": {"audio_data": "???"}}, 400),
    "a URL": (ASR, {"json": {"audio_data": "https://example.org/a.wav"}}, 400),
    "an unknown field": (ASR, {"json": {"audio_data": "eA==", "loud": True}}, 422),
    "a file that is text": (ASR, {"data": {"file": "x"}, "headers": {}}, 422),
    "a broken form": (ASR, {"content": b"--b\r\nnothing", "headers": FORM}, 400),
    "a form without boundary": (ASR, {"content": b"x", "headers": {"content-type": "multipart/form-data"}}, 400),
    "wrong types": (TTS, {"json": {"text": 5}}, 422),
    "no text": (TTS, {"json": {"text": ""}}, 422),
    "NUL": (TTS, {"json": {"text": "a", "format": "\0"}}, 422),
    "speed": (TTS, {"json": {"text": "a", "voice_config": {"speed": 9}}}, 422),
    "gzip": (TTS, {"content": b"\x1f\x8b", "headers": {**JSON, "content-encoding": "gzip"}}, 415),
    "many fields": (ASR, {"data": {f"f{number}": "x" for number in range(500)}}, 400),
}


@pytest.mark.parametrize("case", BODIES)
def test_bodies(case: str, http: httpx.Client) -> None:
    path, sent, status = BODIES[case]
    checked(http.post(path, **sent), status)
    assert works(http)


def test_the_field_is_named(http: httpx.Client) -> None:
    checked(http.post(TTS, json={"text": "a", "voice_config": {"speed": 9}}), 422, param="voice_config.speed")
    checked(http.post(ASR, json={"audio_data": "eA==", "loud": True}), 422, param="loud")


def test_routes_and_methods(http: httpx.Client) -> None:
    checked(http.get("/nowhere"), 404)
    assert checked(http.get(TTS), 405)
    assert "POST" in http.get(TTS).headers["allow"]
    checked(http.request("DELETE", TTS), 405)
    checked(http.request("TRACE", TTS), 405)


def test_the_caller_s_request_id_is_kept_where_it_is_one(http: httpx.Client) -> None:
    assert http.get("/health/live", headers={"x-request-id": "mine-1"}).headers["x-request-id"] == "mine-1"
    assert http.get("/health/live", headers={"x-request-id": "a b<script>"}).headers["x-request-id"] != "a b<script>"


def test_a_server_that_is_gone(triton: FakeTriton) -> None:
    with GatewayThread(triton=("127.0.0.1:9",)) as gateway, httpx.Client(base_url=gateway.url) as http:
        answer = http.post(TTS, json={"text": "Hello."})
        error = checked(answer, 503)
        assert answer.headers["retry-after"]
        assert "127.0.0.1:9" not in error["message"]
        assert http.get("/health/ready").status_code == 503
        assert http.get("/health/live").status_code == 200


def test_our_faults_tell_nothing(http: httpx.Client, triton: FakeTriton, caplog: pytest.LogCaptureFixture) -> None:
    triton.scripts["qwen3_asr"] = lambda inputs: iter([{"TEXT": b"x", "RESULT": b'{"secret": 1}'}])
    error = checked(http.post(ASR, json={"audio_data": "eA=="}), 500)
    assert "secret" not in error["message"]
    assert "secret" in caplog.text


def raw(gateway: GatewayThread, *parts: bytes, pause_s: float = 0.0) -> bytes:
    """What comes back on a connection to which `parts` are written."""
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=30) as connection:
        try:
            for part in parts:
                connection.sendall(part)
                time.sleep(pause_s)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it has answered already
        answer = b""
        try:
            while data := connection.recv(65536):
                answer += data
        except ConnectionResetError:
            pass
        return answer


HEAD = b"POST /api/v1/tts/synthesize HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n"
RAW: dict[str, tuple[tuple[bytes, ...], bytes]] = {
    "2 GB promised": ((HEAD + b"Content-Length: 2147483648\r\n\r\n",), b"413"),
    "a length that is none": ((HEAD + b"Content-Length: ten\r\n\r\n",), b"400"),
    "two lengths": ((HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n{}   ",), b"400"),
    "no HTTP": ((b"hello\r\n\r\n",), b"400"),
    "a chunk that is none": ((HEAD + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n",), b"400"),
    "large headers": ((HEAD + b"X: " + b"y" * 200_000 + b"\r\nContent-Length: 2\r\n\r\n{}",), b"4"),
}


@pytest.mark.parametrize("case", RAW)
def test_broken_http(case: str, gateway: GatewayThread, http: httpx.Client) -> None:
    parts, status = RAW[case]
    assert raw(gateway, *parts).startswith(b"HTTP/1.1 " + status)
    assert works(http)


def test_chunks_without_end_are_cut_at_the_limit(triton: FakeTriton) -> None:
    with GatewayThread(triton=(triton.address,), max_json_bytes=100_000) as gateway:
        chunk = b"2710\r\n" + b" " * 10_000 + b"\r\n"
        answer = raw(gateway, HEAD + b"Transfer-Encoding: chunked\r\n\r\n", *[chunk] * 50)
        assert answer.startswith(b"HTTP/1.1 413")
        with httpx.Client(base_url=gateway.url) as http:
            assert works(http)


def test_a_body_that_comes_too_slowly(triton: FakeTriton) -> None:
    with GatewayThread(triton=(triton.address,), body_timeout_s=0.2) as gateway:
        assert raw(gateway, HEAD + b"Content-Length: 20\r\n\r\n{").startswith(b"HTTP/1.1 408")
        with httpx.Client(base_url=gateway.url) as http:
            assert works(http)


def test_more_requests_than_there_is_room_for(triton: FakeTriton) -> None:
    with GatewayThread(triton=(triton.address,), max_open_requests=1) as gateway:
        with socket.create_connection(("127.0.0.1", gateway.port)) as waiting:
            waiting.sendall(HEAD + b"Content-Length: 20\r\n\r\n{")
            with httpx.Client(base_url=gateway.url) as http:
                until(lambda: http.get("/health/live").status_code == 503)
                checked(http.get("/health/live"), 503)
        with httpx.Client(base_url=gateway.url) as http:
            until(lambda: http.get("/health/live").status_code == 200)


def test_bodies_have_so_much_memory_together(triton: FakeTriton) -> None:
    body = b'{"text": "' + b"x" * 700_000
    with GatewayThread(triton=(triton.address,), max_held_bytes=1 << 20) as gateway:
        with (
            socket.create_connection(("127.0.0.1", gateway.port)) as waiting,
            httpx.Client(base_url=gateway.url, trust_env=False) as http,
        ):
            waiting.sendall(HEAD + b"Content-Length: 700100\r\n\r\n" + body)
            large = {"audio_data": "A" * 600_000}
            until(lambda: http.post(ASR, json=large).status_code == 503)
            assert checked(http.post(ASR, json=large), 503)["code"] == "busy"
            assert works(http)
        with httpx.Client(base_url=gateway.url, trust_env=False) as http:
            until(lambda: http.post(ASR, json=large).status_code == 200)
