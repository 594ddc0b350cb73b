"""What LiveKit's and Pipecat's plug-ins send to WS /v1/realtime, replayed.

Recorded of livekit-plugins-openai 1.8 and pipecat-ai 1.14, which both worked against this gateway unchanged.
"""

import json
from typing import Any

from fake_triton import FakeTriton
from realtime_client import joined, kinds, realtime, silence, sound, speaking, speech

from tests.gateway_thread import GatewayThread

PCM = {"rate": 24000, "type": "audio/pcm"}
SPOKEN = silence(0.5) + speech(1.0) + silence(1.5)
TRANSCRIPTION = "conversation.item.input_audio_transcription"
LIVEKIT_SESSION: dict[str, Any] = {
    "type": "realtime",
    "audio": {
        "input": {
            "format": PCM,
            "noise_reduction": None,
            "transcription": {"model": "gpt-4o-mini-transcribe"},
            "turn_detection": {
                "type": "semantic_vad",
                "create_response": True,
                "eagerness": "medium",
                "interrupt_response": True,
            },
        },
        "output": {"format": PCM, "speed": 1.0, "voice": "marin"},
    },
    "max_output_tokens": "inf",
    "model": "gpt-realtime",
    "output_modalities": ["audio"],
    "tool_choice": "auto",
    "tracing": None,
}
LIVEKIT_DETECTION = {
    "type": "server_vad",
    "prefix_padding_ms": 600,
    "silence_duration_ms": 350,
    "threshold": 0.5,
}


def test_livekit_s_realtime_model(gateway: GatewayThread, triton: FakeTriton) -> None:
    speaking(triton)
    with realtime(gateway) as socket:
        socket.send("session.update", session=LIVEKIT_SESSION, event_id="session_update_1")
        socket.send("session.update", session={"type": "realtime", "instructions": "Be brief."}, event_id="x")
        content = [{"text": "Hello from before", "type": "input_text"}]
        item = {"content": content, "role": "user", "type": "message", "id": "item_097071709e45"}
        socket.send("conversation.item.create", item=item, event_id="y", previous_item_id="root")
        socket.append(SPOKEN)
        events = socket.until("response.done")
        assert len(sound(events)) > 1000
        answer = events[-1]["response"]["output"][0]["id"]
        socket.send("conversation.item.truncate", audio_end_ms=100, content_index=0, item_id=answer)
        socket.until("conversation.item.truncated")
        metadata = {"client_event_id": "response_create_1"}
        response = {"instructions": "Be brief.\nSay hello", "metadata": metadata}
        socket.send("response.create", event_id="response_create_1", response=response)
        # Its answers are found by what they were asked with.
        assert socket.until("response.created")[-1]["response"]["metadata"] == metadata
        socket.until("response.done")


def test_livekit_s_speech_to_text(gateway: GatewayThread) -> None:
    with realtime(gateway, "?intent=transcription") as socket:
        listening = {
            "format": PCM,
            "transcription": {"language": "en", "model": "gpt-4o-mini-transcribe"},
            "turn_detection": LIVEKIT_DETECTION,
        }
        socket.send("session.update", session={"type": "transcription", "audio": {"input": listening}})
        socket.append(SPOKEN)
        events = socket.until(f"{TRANSCRIPTION}.completed")
    assert "input_audio_buffer.speech_stopped" in kinds(events)
    assert events[-1]["transcript"] == joined(events, f"{TRANSCRIPTION}.delta") != ""


def test_pipecat_s_realtime_service(gateway: GatewayThread, triton: FakeTriton) -> None:
    speaking(triton)
    session = {"type": "realtime", "model": "gpt-realtime-2.1"}
    with realtime(gateway, "?model=gpt-realtime-2.1") as socket:
        socket.send("session.update", event_id="a", session=session)
        content = [{"type": "input_text", "text": "Say hello"}]
        item = {"id": "6679e868150440d7a2507fc19849121f", "type": "message", "role": "user", "content": content}
        socket.send("conversation.item.create", event_id="b", item=item)
        socket.send("session.update", event_id="c", session={**session, "tools": []})
        socket.send("response.create", event_id="d", response={"output_modalities": ["audio"]})
        events = socket.until("response.done")
        assert joined(events, "response.output_audio_transcript.delta") == "1: Say hello"
        place = {"item_id": events[-1]["response"]["output"][0]["id"], "content_index": 0, "audio_end_ms": 240}
        socket.send("conversation.item.truncate", event_id="e", **place)
        socket.until("conversation.item.truncated")


def test_pipecat_s_speech_to_text_finds_turns_itself(gateway: GatewayThread, triton: FakeTriton) -> None:
    with realtime(gateway, "?intent=transcription") as socket:
        listening = {
            "format": PCM,
            "transcription": {"model": "gpt-realtime-whisper", "language": "en"},
            "turn_detection": None,
        }
        socket.send("session.update", session={"type": "transcription", "audio": {"input": listening}})
        socket.append(SPOKEN)
        socket.until(f"{TRANSCRIPTION}.delta")  # while it is still spoken
        socket.send("input_audio_buffer.commit")
        completed = socket.until(f"{TRANSCRIPTION}.completed")[-1]
    assert completed["transcript"] == joined(socket.events, f"{TRANSCRIPTION}.delta")
    assert json.loads(triton.received[0].inputs["OPTIONS"])["language"] == "en"
