"""Chains, chat, vision and voices of the platform's own API, in front of the scripted server."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from chain_scripts import CHAIN_SCRIPTS
from client_scripts import ENDING, event
from fake_triton import FakeTriton, Payloads
from test_client_voice import voice_chat


@pytest.fixture(autouse=True)
def _chains(triton: FakeTriton) -> None:
    triton.scripts |= {**CHAIN_SCRIPTS, "voice_chat": voice_chat}


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def told(http: httpx.Client, name: str, **body: Any) -> list[dict[str, Any]]:
    """The events of a chain."""
    with http.stream("POST", f"/api/v1/chains/{name}", json=body) as answer:
        assert answer.status_code == 200, answer.read()
        assert answer.headers["content-type"].startswith("text/event-stream")
        return [json.loads(line[6:]) for line in answer.iter_lines() if line.startswith("data: ")]


def test_a_chain_by_name(http: httpx.Client, triton: FakeTriton) -> None:
    events = told(http, "storyboard", text="a red circle and a green star", inputs={"seed": 3}, deadline=60)
    assert events[-1]["type"] == "end"
    pictures = [one for one in events if one["type"] == "stage_result" and "payload" in one]
    assert base64.b64decode(pictures[0]["payload"]).startswith(b"\x89PNG")
    assert triton.received[0].inputs["TEXT"] == b"a red circle and a green star"
    assert json.loads(triton.received[0].inputs["OPTIONS"]) == {"inputs": {"seed": 3}, "deadline_s": 60.0}


def test_recordings_in_base64_and_in_a_form(http: httpx.Client, triton: FakeTriton) -> None:
    told(http, "meeting_minutes", audio_data=[encoded(b"one"), encoded(b"two")])
    files = [("audio", b"one"), ("audio", b"two")]
    assert http.post("/api/v1/chains/meeting_minutes", files=files).status_code == 200
    assert [request.inputs["AUDIO"] for request in triton.received] == [(b"one", b"two")] * 2


def test_a_spoken_picture(http: httpx.Client) -> None:
    heard, picture, end = told(http, "spoken_image", audio_data=[encoded(b"RIFF")])
    assert (heard["stage"], picture["value"]["width"], end["type"]) == ("heard", 64, "end")
    assert base64.b64decode(picture["payload"]).startswith(b"\x89PNG")


def test_a_spoken_turn(http: httpx.Client, triton: FakeTriton) -> None:
    events = told(http, "voice_chat", audio_data=[encoded(b"RIFF")], inputs={"voice": "alloy", "seed": 3})
    kinds = [one["type"] for one in events]
    assert kinds.index("heard") < kinds.index("text") < kinds.index("sound") < kinds.index("end") == len(kinds) - 1
    sound = next(one for one in events if one["type"] == "sound")
    assert len(base64.b64decode(sound["payload"])) > 100
    assert sound["sample_rate"] == 24_000
    [request] = triton.received
    assert json.loads(request.inputs["OPTIONS"]) == {"seed": 3}


def test_a_turn_is_said_or_written(http: httpx.Client, triton: FakeTriton) -> None:
    assert told(http, "voice_chat", text="Hello.")[-1]["type"] == "end"
    answer = http.post("/api/v1/chains/voice_chat", json={"inputs": {"loud": True}})
    assert (answer.status_code, answer.json()["error"]["param"]) == (422, "loud")
    assert http.post("/api/v1/chains/voice_chat", json={}).status_code == 400


GRAPH = {
    "inputs": {"audio": {"type": "bytes"}, "title": {"type": "text"}},
    "nodes": {"heard": {"model": "qwen3_asr", "inputs": {"AUDIO": "$inputs.audio"}}},
    "outputs": {"text": "$heard.TEXT"},
}


def workflow(_: Payloads) -> Iterator[Payloads]:
    yield {"PAYLOAD": b"", "EVENT": event(0, "stage_result", stage="heard", output="TEXT", value="Hello.")}
    yield {"PAYLOAD": b"", "EVENT": event(1, "end", **ENDING, outputs={"text": "Hello."}, record={})}


def test_a_workflow_takes_files_in_base64_and_never_a_path(
    http: httpx.Client, triton: FakeTriton, tmp_path: Path
) -> None:
    triton.scripts["workflow"] = workflow
    events = told(http, "workflow", workflow=GRAPH, inputs={"audio": encoded(b"RIFF"), "title": "A title"})
    assert [(one["type"], one.get("value")) for one in events] == [("stage_result", "Hello."), ("end", None)]
    [request] = triton.received
    assert request.inputs["PAYLOAD"] == (b"RIFF",)
    assert json.loads(request.inputs["OPTIONS"])["inputs"] == {"audio": {"payload": 0}, "title": "A title"}
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    http.post("/api/v1/chains/workflow", json={"workflow": GRAPH, "inputs": {"audio": str(secret)}})
    assert (b"secret",) not in [one.inputs.get("PAYLOAD") for one in triton.received]


@pytest.mark.parametrize(
    ("name", "body", "status"),
    [
        ("nothing", {}, 404),
        ("qwen3_asr", {"audio_data": ["eA=="]}, 404),
        ("workflow", {}, 400),
        ("spoken_image", {}, 400),
        ("spoken_image", {"audio_data": ["eA=="], "inputs": {"loud": 1}}, 400),
        ("storyboard", {"text": "x", "inputs": {"audio": ["/etc/passwd"]}}, 400),
        ("storyboard", {"text": "x", "audio_data": ["???"]}, 400),
        ("storyboard", {"text": "x", "deadline": -1}, 422),
    ],
)
def test_what_is_wrong_is_told_before_any_event(
    name: str, body: dict[str, Any], status: int, http: httpx.Client, triton: FakeTriton
) -> None:
    answer = http.post(f"/api/v1/chains/{name}", json=body)
    assert answer.status_code == status, answer.text
    assert answer.json()["error"]["message"]
    assert not triton.received


def test_chat(http: httpx.Client) -> None:
    body = {"messages": [{"role": "user", "content": "Hello"}], "temperature": 0}
    answer = http.post("/api/v1/chat", json=body).json()
    assert (answer["text"], answer["finish_reason"], answer["usage"]["completion_tokens"]) == ("1: Hello", "stop", 2)
    with http.stream("POST", "/api/v1/chat", json={**body, "streaming": True}) as streamed:
        events = [json.loads(line[6:]) for line in streamed.iter_lines() if line.startswith("data: ")]
    assert "".join(one["text"] for one in events[:-1]) == "1: Hello"
    assert (events[-1]["type"], events[-1]["finish_reason"]) == ("done", "stop")


def test_a_picture_is_described(http: httpx.Client) -> None:
    by_json = http.post("/api/v1/vision/describe", json={"image_data": encoded(b"PNG"), "question": "What?"}).json()
    by_form = http.post("/api/v1/vision/describe", files={"file": b"PNG"}, data={"question": "What?"}).json()
    assert (by_json["text"], by_json["question"], by_json["width"]) == ("3 bytes", "What?", 64)
    assert by_form["text"] == "3 bytes"


def voices(inputs: Payloads) -> Iterator[Payloads]:
    options = json.loads(inputs["OPTIONS"])
    added = {"name": options.get("voice"), "consent": "Anna", "reference_s": 2.0, "created": "2026-12-01T10:00:00Z"}
    events = {
        "list_voices": event(0, "voices", speakers=["ava"], voices=[], languages=["English"]),
        "remove_voice": event(0, "voice", removed=options.get("voice")),
        "add_voice": event(0, "voice", added=added),
    }
    yield {"AUDIO": b"", "EVENT": events[options["action"]]}
    yield {"AUDIO": b"", "EVENT": event(1, "end", **ENDING)}


def test_voices_are_listed_and_removed(http: httpx.Client, triton: FakeTriton) -> None:
    triton.scripts["qwen3_tts"] = voices
    assert http.get("/api/v1/voices").json() == {"speakers": ["ava"], "voices": []}
    assert http.delete("/api/v1/voices/anna").json() == {"removed": "anna"}


def test_a_voice_needs_consent(http: httpx.Client) -> None:
    answer = http.post("/api/v1/voices", json={"name": "anna", "audio_data": encoded(b"RIFF")})
    assert (answer.status_code, answer.json()["error"]["param"]) == (422, "consent")
