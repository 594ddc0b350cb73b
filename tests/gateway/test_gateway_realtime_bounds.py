"""What strangers send to WS /v1/realtime, and those who leave."""

import base64
import itertools
import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from socket import SHUT_RDWR, create_connection
from typing import Any

import fake_triton
import pytest
from client_scripts import SCRIPTS, event
from fake_triton import FakeTriton, Payloads
from realtime_client import RealtimeSocket, kinds, realtime, silence, speech
from websockets.exceptions import ConnectionClosed

from tests.gateway_thread import GatewayThread
from tests.waiting import until

APPEND = "input_audio_buffer.append"
CREATE = "conversation.item.create"
MESSAGE = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hello"}]}


def endless_text(_: Payloads) -> Iterator[Payloads]:
    for index in itertools.count():
        yield {"text_output": b"word " * 10_000, "EVENT": event(index, "text")}


def works(socket: RealtimeSocket) -> bool:
    socket.update(output_modalities=["text"])
    socket.say("Hello")
    socket.send("response.create")
    return bool(socket.until("response.done")[-1]["response"]["status"] == "completed")


def item(**fields: Any) -> dict[str, Any]:
    return {"type": CREATE, "item": {**MESSAGE, **fields}}


def session(**fields: Any) -> dict[str, Any]:
    return {"type": "session.update", "session": {"type": "realtime", **fields}}


def listening(**fields: Any) -> dict[str, Any]:
    return session(audio={"input": fields})


WRONG: dict[str, Any] = {
    "nothing": "",
    "no JSON": "{",
    "a list": "[]",
    "null": "null",
    "a number": "5",
    "deep JSON": "[" * 50_000,
    "NaN": '{"type": "input_audio_buffer.commit", "x": NaN}',
    "a huge number": '{"type": "response.cancel", "x": 1e999}',
    "half a surrogate pair": '{"type": "response.cancel", "event_id": "\\ud800"}',
    "many values": json.dumps({"type": "response.cancel", "x": [0] * 20_000}),
    "a long event": json.dumps({"type": APPEND, "audio": "A" * 2_000_000}),
    "a binary frame": b"\0" * 100,
    "no type": {},
    "a type that is none": {"type": 5},
    "an unknown event": {"type": "session.destroy"},
    "an event of a server": {"type": "session.created", "session": {}},
    "no audio": {"type": APPEND},
    "audio of another type": {"type": APPEND, "audio": 5},
    "no base64": {"type": APPEND, "audio": "???"},
    "a URL": {"type": APPEND, "audio": "https://example.org/a.wav"},
    "a commit of nothing": {"type": "input_audio_buffer.commit"},
    "no session": {"type": "session.update"},
    "a session of another type": session(type="transcription"),
    "modalities": session(output_modalities=["text", "audio"]),
    "no modality": session(output_modalities=[]),
    "tools": session(tools=[{"type": "function", "name": "f"}]),
    "a format": listening(format={"type": "audio/mp3"}),
    "a rate": listening(format={"type": "audio/pcm", "rate": 16_000}),
    "a threshold": listening(turn_detection={"type": "server_vad", "threshold": 2}),
    "a time-out": listening(turn_detection={"type": "server_vad", "idle_timeout_ms": 5000}),
    "a detection": listening(turn_detection={"type": "psychic"}),
    "a model that does not listen": listening(transcription={"model": "claude"}),
    "a speed": session(audio={"output": {"speed": 2}}),
    "a voice": session(audio={"output": {"voice": 5}}),
    "no item": {"type": CREATE},
    "a call": item(type="function_call_output"),
    "no role": item(role="robot"),
    "no content": item(content=[]),
    "content that does not fit": item(content=[{"type": "output_text", "text": "x"}]),
    "content without text": item(content=[{"type": "input_text"}]),
    "a picture by URL": item(content=[{"type": "input_image", "image_url": "http://169.254.169.254/"}]),
    "sound that is none": item(content=[{"type": "input_audio", "audio": "???"}]),
    "behind nobody": {**item(), "previous_item_id": "nobody"},
    "a long id": item(id="x" * 1000),
    "nothing to retrieve": {"type": "conversation.item.retrieve", "item_id": "nobody"},
    "nothing to delete": {"type": "conversation.item.delete", "item_id": "nobody"},
    "nothing to cut": {"type": "conversation.item.truncate", "item_id": "x", "content_index": 0, "audio_end_ms": 0},
    "a negative time": {"type": "conversation.item.truncate", "item_id": "x", "content_index": 0, "audio_end_ms": -1},
    "a response with tools": {"type": "response.create", "response": {"tools": [{"type": "function"}]}},
    "a response to nobody": {"type": "response.create", "response": {"input": [{"type": "item_reference", "id": "x"}]}},
    "nothing to stop": {"type": "response.cancel"},
    "for WebRTC only": {"type": "output_audio_buffer.clear"},
}  # fmt: skip


@pytest.fixture(scope="module")
def shared() -> Iterator[GatewayThread]:
    """One gateway for all events that are wrong."""
    with FakeTriton(dict(SCRIPTS)) as triton, GatewayThread(triton=(triton.address,)) as gateway:
        yield gateway


@pytest.mark.parametrize("case", WRONG)
def test_events_that_are_wrong_are_told(case: str, shared: GatewayThread) -> None:
    frame = WRONG[case]
    with realtime(shared) as socket:
        if isinstance(frame, dict):
            frame = json.dumps({"event_id": "mine", **frame})
        socket.socket.send(frame)
        error = socket.until("error")[-1]["error"]
        assert error["type"] in ("invalid_request_error", "not_found_error")
        assert error["message"]
        assert error["event_id"] == ("mine" if '"mine"' in str(frame) else None)
        assert works(socket)


@pytest.mark.parametrize("query", ["?model=claude", "?intent=telepathy", "?intent=transcription&model=tts-1"])
def test_queries_that_are_wrong(query: str, shared: GatewayThread) -> None:
    with realtime(shared, query) as socket:
        assert socket.events[0]["error"]["param"] in ("model", "intent")
        assert socket.rest() == []
        assert socket.socket.close_code == 1008


def test_a_flood_closes_the_connection(triton: FakeTriton) -> None:
    with GatewayThread(triton=(triton.address,), max_events_per_s=5) as gateway, realtime(gateway) as socket:
        with suppress(ConnectionClosed):  # it may be closed before all is sent
            for _ in range(60):
                socket.send("input_audio_buffer.clear")
        assert socket.rest()[-1]["error"]["code"] == "rate_limit_exceeded"
        assert socket.socket.close_code == 1008


def test_a_flood_of_errors_closes_it_sooner(triton: FakeTriton) -> None:
    with GatewayThread(triton=(triton.address,), max_events_per_s=20) as gateway, realtime(gateway) as socket:
        with suppress(ConnectionClosed):
            for _ in range(20):
                socket.send("nonsense")
        assert socket.rest()[-1]["error"]["code"] == "rate_limit_exceeded"


def test_a_frame_of_many_megabytes_closes_it(shared: GatewayThread) -> None:
    with realtime(shared) as socket:
        with suppress(ConnectionClosed):
            socket.socket.send("x" * (100 << 20))
        assert socket.rest() == []
        assert socket.socket.close_code in (1006, 1009)
    with realtime(shared) as socket:
        assert works(socket)


def test_who_is_silent_is_let_go(triton: FakeTriton) -> None:
    with GatewayThread(triton=(triton.address,), socket_idle_s=0.05) as gateway, realtime(gateway) as socket:
        assert socket.rest()[-1]["error"]["code"] == "idle"


def test_a_turn_that_nobody_ends_is_committed(triton: FakeTriton) -> None:
    with GatewayThread(triton=(triton.address,), max_turn_s=2.0) as gateway, realtime(gateway) as socket:
        socket.update(audio={"input": {"turn_detection": None, "transcription": {"model": "whisper-1"}}})
        for _ in range(3):
            socket.append(speech(0.9))
            socket.append(speech(0.2))
            told = kinds(socket.until("conversation.item.input_audio_transcription.completed"))
            assert "input_audio_buffer.committed" in told
            assert "input_audio_buffer.speech_stopped" not in told


def test_sound_that_waits_to_be_heard_is_bounded(triton: FakeTriton) -> None:
    end = threading.Event()
    captioner = triton.scripts["qwen3_asr_stream"]

    def script(inputs: Payloads) -> Iterator[Payloads]:
        assert end.wait(30)
        yield from captioner(inputs)

    triton.scripts["qwen3_asr_stream"] = script
    with GatewayThread(triton=(triton.address,), max_turn_s=2.0) as gateway, realtime(gateway) as socket:
        socket.update(output_modalities=["text"], audio={"input": {"turn_detection": None}})
        for _ in range(3):
            socket.append(speech(0.9))
        assert socket.until("error")[-1]["error"]["code"] == "input_audio_buffer_full"
        end.set()
        socket.send("input_audio_buffer.clear")
        socket.until("input_audio_buffer.cleared")
        socket.send("response.create")
        socket.until("response.done")  # all is heard
        socket.append(speech(0.9))
        socket.send("input_audio_buffer.commit")
        socket.until("conversation.item.done")


def test_a_turn_that_never_pauses_is_cut(triton: FakeTriton) -> None:
    with GatewayThread(triton=(triton.address,), max_turn_s=2.0) as gateway, realtime(gateway) as socket:
        socket.append(silence(0.5))
        for _ in range(5):
            socket.append(speech(0.2))
        assert "input_audio_buffer.speech_stopped" in kinds(socket.until("conversation.item.done"))


def test_the_oldest_items_go(triton: FakeTriton) -> None:
    with GatewayThread(triton=(triton.address,), max_conversation_items=3) as gateway, realtime(gateway) as socket:
        ids = [socket.say(f"number {number}")["id"] for number in range(4)]
        assert socket.until("conversation.item.deleted")[-1]["item_id"] == ids[0]
    with GatewayThread(triton=(triton.address,), max_conversation_bytes=1024) as gateway, realtime(gateway) as socket:
        ids = [socket.say("x" * 500)["id"] for _ in range(3)]
        assert socket.until("conversation.item.deleted")[-1]["item_id"] == ids[0]


def test_who_leaves_ends_all_work(gateway: GatewayThread, triton: FakeTriton) -> None:
    triton.scripts["qwen3_chat"] = endless_text
    with realtime(gateway) as socket:
        socket.update(output_modalities=["text"])
        socket.say("Hello")
        socket.send("response.create")
        socket.until("response.output_text.delta")
        socket.append(silence(0.3) + speech(1.0))
        until(lambda: bool(triton.open_sequences))
        socket.socket.socket.shutdown(SHUT_RDWR)  # no closing handshake
        until(lambda: not triton.open_ids and not triton.open_sequences)


def test_a_hundred_who_vanish_leave_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fake_triton, "NUM_THREADS", 250)
    end = threading.Event()

    def chat(_: Payloads) -> Iterator[Payloads]:
        for index in itertools.count():
            yield {"text_output": b"word ", "EVENT": event(index, "text")}
            if end.wait(0.01):
                return

    with FakeTriton({"qwen3_chat": chat}) as triton, GatewayThread(triton=(triton.address,)) as gateway:
        with ExitStack() as stack:
            sockets = [stack.enter_context(realtime(gateway)) for _ in range(100)]
            for socket in sockets:
                socket.update(output_modalities=["text"])
                socket.say("Hello")
                socket.send("response.create")
            for socket in sockets:
                socket.until("response.output_text.delta")
            assert len(triton.open_ids) == 100
            for socket in sockets:
                socket.socket.socket.shutdown(SHUT_RDWR)
            until(lambda: not triton.open_ids)
        open_sockets = gateway.app.state.open_sockets
        until(lambda: open_sockets.num_open == 0)
        end.set()


def test_who_does_not_read_is_let_go(triton: FakeTriton) -> None:
    triton.scripts["qwen3_chat"] = endless_text
    with (
        GatewayThread(triton=(triton.address,), send_timeout_s=0.3) as gateway,
        create_connection(("127.0.0.1", gateway.port), timeout=30) as raw,
    ):
        raw.sendall(HANDSHAKE + b"\r\n")
        assert raw.recv(12) == b"HTTP/1.1 101"
        for frame in (session(output_modalities=["text"]), item(), {"type": "response.create"}):
            raw.sendall(masked(json.dumps(frame).encode()))
        until(lambda: bool(triton.received) and not triton.open_ids)
        open_sockets = gateway.app.state.open_sockets
        until(lambda: open_sockets.num_open == 0)


@pytest.mark.parametrize("headers", [b"X: " + b"y" * 10_000 + b"\r\n", b"X: y\r\n" * 200])
def test_a_handshake_with_too_many_headers_is_answered(headers: bytes, shared: GatewayThread) -> None:
    with create_connection(("127.0.0.1", shared.port), timeout=30) as raw:
        raw.sendall(HANDSHAKE + headers + b"\r\n")
        answer = b""
        while data := raw.recv(1000):
            answer += data
    assert answer.startswith(b"HTTP/1.1 431")


HANDSHAKE = (
    b"GET /v1/realtime?model=gpt-realtime HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + base64.b64encode(bytes(16)) + b"\r\n"
)


def masked(payload: bytes) -> bytes:
    """A text frame of a client; its mask is zero."""
    assert len(payload) < 1 << 16
    return b"\x81" + bytes([0x80 | 126]) + len(payload).to_bytes(2, "big") + bytes(4) + payload
