"""A caller who leaves the gateway ends the work, and a slow reader is let go."""

import socket
import threading
from collections.abc import Iterator

import httpx2 as httpx
from client_scripts import event
from fake_triton import FakeTriton, Payloads

from tests.gateway_thread import GatewayThread
from tests.waiting import until

TTS, ASR = "/api/v1/tts/synthesize", "/api/v1/asr/transcribe"


def post(gateway: GatewayThread, path: str, body: bytes) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", gateway.port), timeout=30)
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    connection.sendall(head.encode() + body)
    return connection


def endless(chunk: bytes) -> object:
    def script(_: Payloads) -> Iterator[Payloads]:
        index = 0
        while True:
            fields = {"sample_rate_hz": 24_000, "frames": index, "elapsed_s": 0.1}
            yield {"AUDIO": chunk, "EVENT": event(index, "audio", **fields)}
            index += 1

    return script


def test_a_unary_request_is_cancelled(gateway: GatewayThread, triton: FakeTriton) -> None:
    started, end = threading.Event(), threading.Event()

    def script(_: Payloads) -> Iterator[Payloads]:
        started.set()
        end.wait(30)
        yield {}

    triton.scripts["qwen3_asr"] = script
    connection = post(gateway, ASR, b'{"audio_data": "eA=="}')
    assert started.wait(30)
    connection.close()
    until(lambda: bool(triton.cancels))
    end.set()
    assert triton.cancels[0].found


def test_a_stream_is_cancelled(gateway: GatewayThread, triton: FakeTriton) -> None:
    triton.scripts["qwen3_tts"] = endless(bytes(3840))  # type: ignore[assignment]
    connection = post(gateway, TTS, b'{"text": "x", "streaming": true}')
    assert connection.recv(100).startswith(b"HTTP/1.1 200")
    connection.close()
    until(lambda: not triton.open_ids)


def test_a_caller_that_never_reads_is_let_go(triton: FakeTriton) -> None:
    triton.scripts["qwen3_tts"] = endless(bytes(192_000))  # type: ignore[assignment]
    with GatewayThread(triton=(triton.address,), send_timeout_s=0.3) as gateway:
        connection = post(gateway, TTS, b'{"text": "x", "streaming": true, "format": "pcm"}')
        until(lambda: bool(triton.received))
        until(lambda: not triton.open_ids)
        connection.close()
        with httpx.Client(base_url=gateway.url) as http:
            assert http.get("/health/live").status_code == 200
