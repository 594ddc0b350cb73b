"""A client of the Realtime API that accepts only what the `openai` package's own types allow."""

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, get_args

import numpy as np
from client_scripts import TextSpeaker
from fake_triton import FakeTriton
from openai.types.realtime import realtime_server_event
from pydantic import BaseModel
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.gateway_thread import GatewayThread

RATE_HZ = 24_000
UNION = get_args(realtime_server_event.RealtimeServerEvent)[0]
TYPES: dict[str, type[BaseModel]] = {
    get_args(model.model_fields["type"].annotation)[0]: model for model in get_args(UNION)
}
Event = dict[str, Any]


def checked(text: str | bytes) -> Event:
    """An event that is one: strictly of its type, and without fields that the type does not have."""
    event: Event = json.loads(text)
    model = TYPES[event["type"]].model_validate_json(text, strict=True)
    assert not model.model_extra, model.model_extra
    assert len(text) < 1 << 20
    return event


class RealtimeSocket:
    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.events: list[Event] = []

    def send(self, kind: str, **fields: Any) -> None:
        self.socket.send(json.dumps({"type": kind, **fields}))

    def append(self, pcm: bytes) -> None:
        self.send("input_audio_buffer.append", audio=base64.b64encode(pcm).decode())

    def receive(self) -> Event:
        event = checked(self.socket.recv(30))
        self.events.append(event)
        return event

    def until(self, kind: str) -> list[Event]:
        """All events up to the first of this type."""
        events = [self.receive()]
        while events[-1]["type"] != kind:
            assert events[-1]["type"] != "error" or kind == "error", events[-1]
            events.append(self.receive())
        return events

    def rest(self) -> list[Event]:
        """All events until the connection is closed."""
        events = []
        try:
            while True:
                events.append(self.receive())
        except ConnectionClosed:
            return events

    def update(self, **session: Any) -> Event:
        self.send("session.update", session={"type": "realtime", **session})
        return self.until("session.updated")[-1]["session"]

    def say(self, text: str, **fields: Any) -> Event:
        """A user's message; its item."""
        content = [{"type": "input_text", "text": text}]
        self.send("conversation.item.create", item={"type": "message", "role": "user", "content": content}, **fields)
        return self.until("conversation.item.done")[-1]["item"]


@contextmanager
def realtime(gateway: GatewayThread, query: str = "?model=gpt-realtime", **options: Any) -> Iterator[RealtimeSocket]:
    """A session that has been created."""
    with connect(f"ws://127.0.0.1:{gateway.port}/v1/realtime{query}", proxy=None, **options) as socket:
        client = RealtimeSocket(socket)
        assert client.receive()["type"] in ("session.created", "error")
        yield client


def speaking(triton: FakeTriton) -> None:
    """Have the server speak texts that are still being written."""
    triton.scripts["qwen3_tts"] = TextSpeaker()


def kinds(events: list[Event]) -> list[str]:
    return [event["type"] for event in events]


def joined(events: list[Event], kind: str) -> str:
    return "".join(event["delta"] for event in events if event["type"] == kind)


def sound(events: list[Event]) -> bytes:
    return b"".join(
        base64.b64decode(event["delta"]) for event in events if event["type"].endswith("output_audio.delta")
    )


def silence(duration_s: float) -> bytes:
    return bytes(2 * round(duration_s * RATE_HZ))


def speech(duration_s: float, level: float = 0.1) -> bytes:
    """Noise, as loud as speech."""
    samples = np.random.default_rng(0).normal(0, level, round(duration_s * RATE_HZ))
    return (np.clip(samples, -1, 1) * 32_767).astype("<i2").tobytes()
