"""WS /api/v1/captions in front of the scripted server, over real sockets."""

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import suppress
from socket import SHUT_RDWR
from typing import Any

import httpx2 as httpx
import pytest
from client_scripts import HALF_SECOND_BYTES, Captioner
from fake_triton import FakeTriton, Payloads
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.gateway_thread import GatewayThread
from tests.waiting import until

SECONDS_3 = bytes(6 * HALF_SECOND_BYTES)
FINISH = '{"type": "finish"}'


def opened(gateway: GatewayThread, query: str = "") -> ClientConnection:
    return connect(f"ws://127.0.0.1:{gateway.port}/api/v1/captions{query}", proxy=None)


def received(socket: ClientConnection) -> list[dict[str, Any]]:
    """What comes until the connection is closed."""
    events = []
    try:
        while True:
            events.append(json.loads(socket.recv(30)))
    except ConnectionClosed:
        return events


def error_of(event: dict[str, Any]) -> dict[str, Any]:
    assert event["type"] == "error"
    assert set(event["error"]) == {"message", "type", "param", "code"}
    return event["error"]


def test_captions_of_binary_frames(gateway: GatewayThread, triton: FakeTriton) -> None:
    with opened(gateway, "?language=en") as socket:
        socket.send(SECONDS_3)
        socket.send(FINISH)
        events = received(socket)
    assert {event["type"] for event in events} == {"caption"}
    assert len(events) == 7
    assert [event["is_final"] for event in events] == [False] * 6 + [True]
    assert events[-1]["stable"] == "w0 w1 w2 w3 w4 w5"
    assert "token" not in events[0]
    assert socket.close_code == 1000
    assert json.loads(triton.received[0].inputs["OPTIONS"])["language"] == "en"
    assert not triton.open_sequences


def test_captions_of_json_and_of_other_samples(gateway: GatewayThread, triton: FakeTriton) -> None:
    with opened(gateway, "?sample_rate=8000&channels=2") as socket:
        socket.send(json.dumps({"audio": base64.b64encode(SECONDS_3).decode()}))
        socket.send(FINISH)
        assert received(socket)[-1]["is_final"]
    options = json.loads(triton.received[0].inputs["OPTIONS"])
    assert (options["sample_rate_hz"], options["num_channels"]) == (8000, 2)


@pytest.mark.parametrize("query", ["?sample_rate=1", "?sample_rate=x", "?channels=99", "?loud=1"])
def test_a_query_that_is_wrong(query: str, gateway: GatewayThread, triton: FakeTriton) -> None:
    with opened(gateway, query) as socket:
        [event] = received(socket)
    assert error_of(event)["type"] == "invalid_request_error"
    assert socket.close_code == 1008
    assert not triton.open_sequences


@pytest.mark.parametrize(
    "frame",
    ["", "{", "[]", "null", "{}", '{"audio": 5}', '{"audio": "???"}', '{"x": NaN}', '{"audio": null}', "\0", "[" * 9999,
     '{"type": "unknown"}', '{"audio": "http://x/y"}', "x" * 200_000, bytes(200_000)],
)  # fmt: skip
def test_frames_that_are_wrong_are_told_and_left_out(frame: Any, triton: FakeTriton) -> None:
    with GatewayThread(triton=(triton.address,), max_event_bytes=100_000) as gateway, opened(gateway) as socket:
        socket.send(frame)
        assert error_of(json.loads(socket.recv(30)))["type"] == "invalid_request_error"
        socket.send(bytes(HALF_SECOND_BYTES))
        socket.send(FINISH)
        assert [event["stable"] for event in received(socket)][-1] == "w0"


def test_a_flood_of_frames_closes_the_connection(triton: FakeTriton) -> None:
    with GatewayThread(triton=(triton.address,), max_events_per_s=1) as gateway, opened(gateway) as socket:
        with suppress(ConnectionClosed):  # it may be closed before all is sent
            for _ in range(30):
                socket.send(b"")
        assert error_of(received(socket)[-1])["code"] == "rate_limit_exceeded"
        assert socket.close_code == 1008


def test_who_sends_nothing_is_let_go(triton: FakeTriton) -> None:
    with GatewayThread(triton=(triton.address,), socket_idle_s=0.05) as gateway, opened(gateway) as socket:
        assert error_of(received(socket)[-1])["code"] == "idle"
        assert socket.close_code == 1001


def test_no_more_sockets_than_there_is_room_for(triton: FakeTriton, capsys: pytest.CaptureFixture[str]) -> None:
    with GatewayThread(triton=(triton.address,), max_open_sockets=1) as gateway:
        with opened(gateway):
            with pytest.raises(InvalidStatus) as caught:
                opened(gateway)
            assert caught.value.response.status_code == 503
            assert json.loads(caught.value.response.body)["error"]["code"] == "busy"
        sockets = gateway.app.state.open_sockets
        until(lambda: sockets.num_open == 0)
        with opened(gateway) as socket:
            socket.send(FINISH)
            assert received(socket)[-1]["is_final"]
    assert "ERROR" not in capsys.readouterr().err


def test_who_leaves_ends_the_sequence(gateway: GatewayThread, triton: FakeTriton) -> None:
    with opened(gateway) as socket:
        socket.send(SECONDS_3)
        json.loads(socket.recv(30))
        assert triton.open_sequences
        socket.socket.shutdown(SHUT_RDWR)  # no closing handshake
        until(lambda: not triton.open_sequences and not triton.open_ids)


def test_who_leaves_while_the_server_works_ends_the_request(gateway: GatewayThread, triton: FakeTriton) -> None:
    captioner, started = Captioner(), threading.Event()

    def script(inputs: Payloads) -> Iterator[Payloads]:
        if inputs["END"] == b"0":
            started.set()
            triton.hold(30)
        yield from captioner(inputs)

    triton.scripts["qwen3_asr_stream"] = script
    with opened(gateway) as socket:
        socket.send(SECONDS_3)
        assert started.wait(30)
        socket.socket.shutdown(SHUT_RDWR)
        until(lambda: not triton.open_sequences and not triton.open_ids)


def test_a_server_that_is_gone() -> None:
    with GatewayThread(triton=("127.0.0.1:9",)) as gateway, opened(gateway) as socket:
        socket.send(SECONDS_3)
        error = error_of(received(socket)[-1])
        assert error["type"] == "unavailable_error"
        assert "127.0.0.1:9" not in error["message"]
        with httpx.Client(base_url=gateway.url) as http:
            assert http.get("/health/live").status_code == 200
