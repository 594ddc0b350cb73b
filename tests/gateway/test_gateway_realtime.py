"""WS /v1/realtime: conversations, in front of the scripted server; each event is checked by OpenAI's own types."""

import base64
import itertools
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from client_scripts import SAMPLES_PER_FRAME, audio_event, event
from fake_triton import FakeTriton, Payloads
from realtime_client import RATE_HZ, joined, kinds, realtime, silence, sound, speaking, speech

from tests.gateway_thread import GatewayThread
from tests.waiting import until

RESPONSE = [
    "response.created",
    "response.output_item.added",
    "conversation.item.added",
    "response.content_part.added",
    "response.output_text.delta",
    "response.output_text.done",
    "response.content_part.done",
    "conversation.item.done",
    "response.output_item.done",
    "response.done",
]
TURN = [
    "input_audio_buffer.speech_started",
    "input_audio_buffer.speech_stopped",
    "input_audio_buffer.committed",
    "conversation.item.added",
    "conversation.item.done",
]
TRANSCRIPTION = "conversation.item.input_audio_transcription"
HEARD = {"input": {"transcription": {"model": "whisper-1"}}}


def endless_speech(_: Payloads) -> Iterator[Payloads]:
    for index in itertools.count():
        yield audio_event(index % 30)


def endless_text(_: Payloads) -> Iterator[Payloads]:
    for index in itertools.count():
        yield {"text_output": b"word ", "EVENT": event(index, "text")}


def messages(triton: FakeTriton) -> Any:
    [*_, asked] = [request for request in triton.received if request.model == "qwen3_chat"]
    return json.loads(asked.inputs["OPTIONS"])["messages"]


def test_a_written_answer(gateway: GatewayThread, triton: FakeTriton) -> None:
    with realtime(gateway) as socket:
        socket.update(instructions="Be brief.", output_modalities=["text"], max_output_tokens=50)
        item = socket.say("Good morning")
        socket.send("response.create")
        events = socket.until("response.done")
    assert list(dict.fromkeys(kinds(events))) == RESPONSE
    assert joined(events, "response.output_text.delta") == "2: Good morning"
    response = events[-1]["response"]
    assert (response["status"], response["usage"]["total_tokens"]) == ("completed", 15)
    assert response["output"][0]["content"] == [{"type": "output_text", "text": "2: Good morning"}]
    assert events[2]["previous_item_id"] == item["id"]
    assert messages(triton) == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Good morning"},
    ]
    assert json.loads(triton.received[-1].inputs["OPTIONS"])["max_tokens"] == 50


def test_a_spoken_answer(gateway: GatewayThread, triton: FakeTriton) -> None:
    speaking(triton)
    with realtime(gateway) as socket:
        socket.say("Good morning")
        socket.send("response.create")
        events = socket.until("response.done")
    assert joined(events, "response.output_audio_transcript.delta") == "1: Good morning"
    assert len(sound(events)) == 3 * 2 * SAMPLES_PER_FRAME  # a frame a word
    assert events[-1]["response"]["output"][0]["content"] == [{"type": "output_audio", "transcript": "1: Good morning"}]


def test_speech_begins_before_the_text_is_complete(gateway: GatewayThread, triton: FakeTriton) -> None:
    heard = threading.Event()

    def chat(_: Payloads) -> Iterator[Payloads]:
        yield {"text_output": b"Good morning. ", "EVENT": event(0, "text")}
        assert heard.wait(30)
        usage = {"prompt_tokens": 1, "completion_tokens": 1}
        timings = {"queue_s": 0.0, "first_event_s": 0.0, "total_s": 0.0}
        yield {"text_output": b"", "EVENT": event(1, "end", finish_reason="stop", usage=usage, timings=timings)}

    def tts(inputs: Payloads) -> Iterator[Payloads]:
        options = json.loads(inputs["OPTIONS"])
        if options.get("action") == "add_text":
            yield {"AUDIO": b"", "EVENT": event(0, "end", finish_reason="stop")}
            return
        yield {"AUDIO": b"", "EVENT": event(0, "text_stream", text_stream=options["text_stream"], token="t")}
        yield audio_event(1)
        assert heard.wait(30)
        yield {"AUDIO": b"", "EVENT": event(2, "end", finish_reason="stop")}

    triton.scripts |= {"qwen3_chat": chat, "qwen3_tts": tts}
    with realtime(gateway) as socket:
        socket.say("Hello")
        socket.send("response.create")
        socket.until("response.output_audio.delta")
        assert "response.output_audio_transcript.done" not in kinds(socket.events)
        heard.set()
        socket.until("response.done")


def test_a_spoken_turn_is_heard_and_answered(gateway: GatewayThread, triton: FakeTriton) -> None:
    speaking(triton)
    with realtime(gateway) as socket:
        socket.update(audio=HEARD)
        for piece in (silence(0.5), speech(1.0), silence(0.6)):
            for at in range(0, len(piece), 960):
                socket.append(piece[at : at + 960])
        events = socket.until("response.done")
    told = kinds(events)
    assert [kind for kind in told if kind in TURN][: len(TURN)] == TURN
    started, stopped = events[0], next(one for one in events if one["type"].endswith("speech_stopped"))
    assert abs(started["audio_start_ms"] - 200) <= 40  # 300 ms of padding
    assert abs(stopped["audio_end_ms"] - 2000) <= 40  # 500 ms of silence
    completed = next(one for one in events if one["type"] == f"{TRANSCRIPTION}.completed")
    assert completed["transcript"] == joined(events, f"{TRANSCRIPTION}.delta") != ""
    assert abs(completed["usage"]["seconds"] - 1.8) < 0.1
    assert {started["item_id"], stopped["item_id"]} == {completed["item_id"]}
    assert messages(triton) == [{"role": "user", "content": completed["transcript"]}]
    assert not triton.open_sequences


def test_without_captions_the_whole_turn_is_transcribed(gateway: GatewayThread, triton: FakeTriton) -> None:
    del triton.scripts["qwen3_asr_stream"]
    with realtime(gateway, "?intent=transcription") as socket:
        asked = 0
        for _ in range(2):
            asked = len(triton.received)
            socket.append(silence(0.5) + speech(1.0) + silence(0.6))
            completed = socket.until(f"{TRANSCRIPTION}.completed")[-1]
            assert completed["transcript"].endswith("bytes")
    assert [request.model for request in triton.received[asked:]] == ["qwen3_asr"]
    options = json.loads(triton.received[-1].inputs["OPTIONS"])
    assert (options["audio_format"], options["sample_rate_hz"]) == ("pcm_s16le", RATE_HZ)


def test_a_transcription_session(gateway: GatewayThread, triton: FakeTriton) -> None:
    with realtime(gateway, "?intent=transcription&model=gpt-4o-transcribe") as socket:
        created = socket.events[0]["session"]
        assert (created["type"], created["audio"]["input"]["transcription"]["model"]) == (
            "transcription",
            "gpt-4o-transcribe",
        )
        listening = {"transcription": {"model": "whisper-1", "language": "en", "keywords": ["Qwen"]}}
        session = {"type": "transcription", "audio": {"input": {**listening, "turn_detection": None}}}
        socket.send("session.update", session=session)
        socket.until("session.updated")
        socket.append(speech(1.0))
        socket.send("input_audio_buffer.commit")
        events = socket.until(f"{TRANSCRIPTION}.completed")
        assert events[-1]["transcript"] == joined(events, f"{TRANSCRIPTION}.delta")
        socket.send("response.create")
        assert "no responses" in socket.until("error")[-1]["error"]["message"]
    options = json.loads(triton.received[0].inputs["OPTIONS"])
    assert (options["language"], options["context"], options["sample_rate_hz"]) == ("en", "Qwen", RATE_HZ)


def test_commit_and_clear(gateway: GatewayThread, triton: FakeTriton) -> None:
    with realtime(gateway) as socket:
        socket.update(audio={"input": {"turn_detection": None, "transcription": {"model": "whisper-1"}}})
        socket.append(speech(1.0))
        socket.send("input_audio_buffer.clear")
        socket.until("input_audio_buffer.cleared")
        until(lambda: not triton.open_sequences)
        socket.send("input_audio_buffer.commit")
        assert socket.until("error")[-1]["error"]["code"] == "input_audio_buffer_commit_empty"
        socket.append(speech(1.0))
        socket.send("input_audio_buffer.commit")
        events = socket.until(f"{TRANSCRIPTION}.completed")
    assert abs(events[-1]["usage"]["seconds"] - 1.0) < 0.01
    assert "input_audio_buffer.committed" in kinds(events)


def test_barge_in_cancels_the_response(gateway: GatewayThread, triton: FakeTriton) -> None:
    triton.scripts |= {"qwen3_chat": endless_text, "qwen3_tts": _open_text_stream}
    with realtime(gateway) as socket:
        socket.say("Tell me a story")
        socket.send("response.create")
        socket.until("response.output_audio.delta")
        socket.append(silence(0.5) + speech(0.5))
        events = socket.until("response.done")
        assert "input_audio_buffer.speech_started" in kinds(events)
        response = events[-1]["response"]
        assert (response["status"], response["status_details"]) == (
            "cancelled",
            {"type": "cancelled", "reason": "turn_detected"},
        )
        assert response["output"][0]["status"] == "incomplete"
        until(lambda: not triton.open_ids)


def _open_text_stream(inputs: Payloads) -> Iterator[Payloads]:
    options = json.loads(inputs["OPTIONS"])
    if options.get("action") == "add_text":
        timings = {"queue_s": 0.0, "first_event_s": 0.0, "total_s": 0.0}
        yield {"AUDIO": b"", "EVENT": event(0, "text", chars=1)}
        yield {"AUDIO": b"", "EVENT": event(1, "end", finish_reason="stop", timings=timings)}
        return
    yield {"AUDIO": b"", "EVENT": event(0, "text_stream", text_stream=options["text_stream"], token="t")}
    for index in itertools.count(1):
        yield audio_event(index % 30)


def test_a_response_is_cancelled_and_another_asked_for(gateway: GatewayThread, triton: FakeTriton) -> None:
    chat, triton.scripts["qwen3_chat"] = triton.scripts["qwen3_chat"], endless_text
    with realtime(gateway) as socket:
        socket.update(output_modalities=["text"])
        socket.say("Hello")
        socket.send("response.create")
        socket.until("response.output_text.delta")
        socket.send("response.create", event_id="mine")
        error = socket.until("error")[-1]["error"]
        assert (error["code"], error["event_id"]) == ("conversation_already_has_active_response", "mine")
        triton.scripts["qwen3_chat"] = chat
        socket.send("response.cancel")
        socket.send("response.create")
        cancelled = socket.until("response.done")[-1]["response"]
        assert cancelled["status_details"]["reason"] == "client_cancelled"
        assert socket.until("response.done")[-1]["response"]["status"] == "completed"
        socket.send("response.cancel")
        assert socket.until("error")[-1]["error"]["code"] == "response_cancel_not_active"
        until(lambda: not triton.open_ids)


def test_what_was_not_played_is_forgotten(gateway: GatewayThread, triton: FakeTriton) -> None:
    speaking(triton)
    with realtime(gateway) as socket:
        socket.say("one two three four")
        socket.send("response.create")
        item = socket.until("response.done")[-1]["response"]["output"][0]
        place = {"item_id": item["id"], "content_index": 0}
        socket.send("conversation.item.truncate", **place, audio_end_ms=4000)
        assert socket.until("error")[-1]["error"]["param"] == "audio_end_ms"
        socket.send("conversation.item.truncate", **place, audio_end_ms=200)  # of 400 ms
        socket.until("conversation.item.truncated")
        socket.send("conversation.item.retrieve", item_id=item["id"])
        kept = socket.until("conversation.item.retrieved")[-1]["item"]["content"][0]["transcript"]
        socket.say("go on")
        socket.send("response.create")
        socket.until("response.done")
    assert kept
    assert "1: one two three four".startswith(kept + " ")
    assert messages(triton)[1] == {"role": "assistant", "content": kept}


def test_truncating_what_is_being_said_ends_it(gateway: GatewayThread, triton: FakeTriton) -> None:
    triton.scripts |= {"qwen3_chat": endless_text, "qwen3_tts": _open_text_stream}
    with realtime(gateway) as socket:
        socket.say("Tell me a story")
        socket.send("response.create")
        item_id = socket.until("response.output_audio.delta")[-1]["item_id"]
        socket.send("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=0)
        events = socket.until("conversation.item.truncated")
        assert kinds(events)[-2] == "response.done"
        until(lambda: not triton.open_ids)


def test_items(gateway: GatewayThread, triton: FakeTriton) -> None:
    def message(role: str, kind: str, text: str, **fields: str) -> dict[str, Any]:
        return {"type": "message", "role": role, "content": [{"type": kind, "text": text}], **fields}

    with realtime(gateway) as socket:
        socket.update(output_modalities=["text"])
        first = socket.say("first")
        for fields in (
            {"item": message("assistant", "output_text", "second", id="b"), "previous_item_id": first["id"]},
            {"item": message("system", "input_text", "zeroth"), "previous_item_id": "root"},
            {"item": message("user", "input_text", "gone", id="gone")},
            {"item": message("user", "input_text", "third")},
        ):
            socket.send("conversation.item.create", **fields)
            added = socket.until("conversation.item.done")[0]
            assert added["type"] == "conversation.item.added"
        assert added["previous_item_id"] == "gone"
        socket.send("conversation.item.delete", item_id="gone")
        assert socket.until("conversation.item.deleted")[-1]["item_id"] == "gone"
        for kind in ("delete", "retrieve"):
            socket.send(f"conversation.item.{kind}", item_id="gone")
            assert socket.until("error")[-1]["error"]["code"] == "item_not_found"
        socket.send("conversation.item.create", item=message("user", "input_text", "x", id="b"))
        assert socket.until("error")[-1]["error"]["param"] == "item.id"
        socket.send("response.create")
        socket.until("response.done")
    assert [one["content"] for one in messages(triton)] == ["zeroth", "first", "second", "third"]


def test_sound_and_pictures_in_items(gateway: GatewayThread, triton: FakeTriton) -> None:
    url = "data:image/png;base64," + base64.b64encode(b"\x89PNG and so on").decode()
    with realtime(gateway) as socket:
        socket.update(output_modalities=["text"], audio=HEARD)
        audio = base64.b64encode(speech(1.0)).decode()
        content: list[Any] = [{"type": "input_audio", "audio": audio}]
        socket.send("conversation.item.create", item={"type": "message", "role": "user", "content": content})
        socket.until("conversation.item.done")
        socket.send("response.create")
        answer = joined(socket.until("response.done"), "response.output_text.delta")
        assert answer == "1: w0 w1 w2"
        content = [{"type": "input_image", "image_url": url}, {"type": "input_text", "text": "What is it?"}]
        socket.send("conversation.item.create", item={"type": "message", "role": "user", "content": content})
        socket.send("response.create")
        assert joined(socket.until("response.done"), "response.output_text.delta") == "14 bytes"


def test_a_response_beside_the_conversation(gateway: GatewayThread, triton: FakeTriton) -> None:
    with realtime(gateway) as socket:
        item = socket.say("in the conversation")
        options = {
            "conversation": "none",
            "output_modalities": ["text"],
            "instructions": "Be brief.",
            "metadata": {"a": "b"},
            "input": [
                {"type": "item_reference", "id": item["id"]},
                {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "beside it"}]},
            ],
        }
        socket.send("response.create", response=options)
        events = socket.until("response.done")
        assert not [kind for kind in kinds(events) if kind.startswith("conversation.")]
        assert (events[-1]["response"]["conversation_id"], events[-1]["response"]["metadata"]) == (None, {"a": "b"})
    assert [one["content"] for one in messages(triton)] == ["Be brief.", "in the conversation", "beside it"]


def test_an_answer_that_is_cut_is_incomplete(gateway: GatewayThread, triton: FakeTriton) -> None:
    def chat(_: Payloads) -> Iterator[Payloads]:
        usage = {"prompt_tokens": 1, "completion_tokens": 1}
        timings = {"queue_s": 0.0, "first_event_s": 0.0, "total_s": 0.0}
        yield {"text_output": b"Good", "EVENT": event(0, "text")}
        yield {"text_output": b"", "EVENT": event(1, "end", finish_reason="length", usage=usage, timings=timings)}

    triton.scripts["qwen3_chat"] = chat
    with realtime(gateway) as socket:
        socket.update(output_modalities=["text"])
        socket.say("Hello")
        socket.send("response.create")
        response = socket.until("response.done")[-1]["response"]
    assert (response["status"], response["status_details"]["reason"]) == ("incomplete", "max_output_tokens")


@pytest.mark.parametrize("model", ["qwen3_chat", "qwen3_tts"])
def test_a_model_that_fails_ends_the_response_and_no_more(
    model: str, gateway: GatewayThread, triton: FakeTriton
) -> None:
    speaking(triton)
    triton.unloaded.add(model)
    with realtime(gateway) as socket:
        socket.say("Hello")
        socket.send("response.create")
        response = socket.until("response.done")[-1]["response"]
        assert response["status"] == "failed"
        assert model in response["status_details"]["error"]["message"]
        triton.unloaded.clear()
        socket.send("response.create")
        assert socket.until("response.done")[-1]["response"]["status"] == "completed"


def test_a_turn_that_cannot_be_heard_is_told(gateway: GatewayThread, triton: FakeTriton) -> None:
    triton.unloaded |= {"qwen3_asr", "qwen3_asr_stream"}
    with realtime(gateway) as socket:
        socket.update(audio=HEARD)
        socket.append(silence(0.5) + speech(1.0) + silence(0.6))
        failed = socket.until(f"{TRANSCRIPTION}.failed")[-1]
        assert "qwen3_asr" in failed["error"]["message"]


@pytest.mark.parametrize("name", ["audio/pcmu", "audio/pcma"])
def test_telephone_sound(name: str, gateway: GatewayThread, triton: FakeTriton) -> None:
    speaking(triton)
    with realtime(gateway) as socket:
        audio = socket.update(audio={"input": {"format": {"type": name}}, "output": {"format": {"type": name}}})[
            "audio"
        ]
        assert (audio["input"]["format"], audio["output"]["format"]) == ({"type": name}, {"type": name})
        quiet, loud = {"audio/pcmu": (b"\xff", b"\x00\x80"), "audio/pcma": (b"\xd5", b"\x2a\xaa")}[name]
        socket.append(quiet * 4000 + loud * 4000 + quiet * 4800)
        events = socket.until("response.done")
    assert abs(events[0]["audio_start_ms"] - 200) <= 40
    words = events[-1]["response"]["output"][0]["content"][0]["transcript"].split()
    assert abs(len(sound(events)) - 640 * len(words)) <= 64  # 80 ms a word at 8 kHz, a byte a sample
    assert json.loads(triton.received[0].inputs["OPTIONS"])["sample_rate_hz"] == 8000


def test_settings_that_are_updated_in_part(gateway: GatewayThread) -> None:
    with realtime(gateway) as socket:
        detection = {"type": "server_vad", "threshold": 0.7}
        first = socket.update(
            instructions="a", audio={"input": {"turn_detection": detection}, "output": {"voice": "ash"}}
        )
        second = socket.update(audio={"input": {"turn_detection": {"type": "semantic_vad", "eagerness": "low"}}})
        third = socket.update(audio={"input": {"turn_detection": None, "noise_reduction": {"type": "near_field"}}})
    assert first["audio"]["input"]["turn_detection"]["threshold"] == 0.7
    assert (second["instructions"], second["audio"]["output"]["voice"]) == ("a", "ash")
    assert second["audio"]["input"]["turn_detection"]["eagerness"] == "low"
    assert third["audio"]["input"]["turn_detection"] is None
    assert third["audio"]["input"]["noise_reduction"] is None  # there is none
