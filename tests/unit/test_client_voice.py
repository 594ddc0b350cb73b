"""`client.chains.voice_chat`, `client.chains.conversation` and `qwen talk`, on a server that answers by script."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import soundfile
from client_scripts import ENDING, HALF_SECOND_BYTES, SAMPLE_RATE_HZ, SAMPLES_PER_FRAME, Captioner, event
from command_line import assert_fails_on_one_line, qwen, record
from fake_triton import FakeTriton, Payloads, Refusal

from qwen_client import (
    AsyncClient,
    Cancelled,
    ChainFailed,
    Client,
    Heard,
    InvalidRequest,
    ReplySound,
    ReplyText,
    StageStarted,
    VoiceReply,
)

PIECES = ("Good morning,", "Anna.")
FRAME = (np.arange(SAMPLES_PER_FRAME) % 1000).astype("<i2")


def voice_chat(inputs: Payloads) -> Iterator[Payloads]:
    """Hears what the recogniser of the other tests hears, and greets; a session named "lost" loses its voice."""
    options = json.loads(inputs["OPTIONS"])
    session, token = options.get("session"), options.get("token")
    if token not in (None, f"token of {session}") or (session and not token and options.get("end_session")):
        raise Refusal(grpc.StatusCode.INVALID_ARGUMENT, "OPTIONS.token opens no conversation")
    begun = {"type": "session_started", "stage": "session", "session": session, "token": f"token of {session}"}
    heard = inputs["TEXT"].decode() if "TEXT" in inputs else f"{len(inputs.get('AUDIO', b''))} bytes"
    is_lost = session == "lost" and len(inputs) > 1  # beginning it makes no sound
    events: list[tuple[bytes, dict[str, Any]]] = [
        *([(b"", begun)] if session and not token else []),
        (b"", {"type": "stage_started", "stage": "heard"}),
        (b"", {"type": "stage_result", "stage": "heard", "output": "TEXT", "value": heard}),
        *((f"{piece} ".encode(), {"type": "stage_progress", "stage": "reply", "event": {}}) for piece in PIECES),
    ]
    error = {"status": "UNAVAILABLE", "message": "the queue is full"}
    if is_lost:
        events.append((b"", {"type": "stage_failed", "stage": "speech", "error": error}))
    for number, piece in enumerate(() if is_lost else PIECES):
        told = {"type": "stage_progress", "stage": "speech", "item": number, "text": piece}
        events.append((FRAME.tobytes(), {**told, "event": {"type": "audio", "sample_rate_hz": SAMPLE_RATE_HZ}}))
    ending = {
        **ENDING,
        "outputs": {"heard": heard, "reply": " ".join(PIECES), "spoken": "" if is_lost else " ".join(PIECES)},
        "history": [{"role": "user", "content": heard}],
        "audio_s": 0.0 if is_lost else len(PIECES) * len(FRAME) / SAMPLE_RATE_HZ,
        "underrun_s": 0.0,
        "trace_id": "1",
    }
    if is_lost:
        ending |= {"finish_reason": "failed", "error": {"stage": "speech", **error}}
    for index, (payload, told) in enumerate(events):
        yield {"PAYLOAD": payload, "EVENT": event(index, told.pop("type"), time_s=0.1 * index, **told)}
    yield {"PAYLOAD": b"", "EVENT": event(len(events), "end", time_s=1.0, **ending)}


@pytest.fixture
def triton() -> Iterator[FakeTriton]:
    with FakeTriton({"voice_chat": voice_chat, "qwen3_asr_stream": Captioner()}) as server:
        yield server


def asked(triton: FakeTriton) -> list[dict[str, Any]]:
    """OPTIONS of each turn."""
    return [json.loads(one.inputs["OPTIONS"]) for one in triton.received if one.model == "voice_chat"]


def assert_is_the_reply(reply: VoiceReply, heard: str) -> None:
    assert (reply.heard, reply.text, reply.spoken) == (heard, "Good morning, Anna.", "Good morning, Anna.")
    np.testing.assert_array_equal(reply.samples, np.tile(FRAME, 2) / np.float32(32_768))
    assert (reply.sample_rate, reply.was_interrupted, reply.underrun_s) == (SAMPLE_RATE_HZ, False, 0.0)
    assert reply.messages == ({"role": "user", "content": heard},)


def test_events_have_types_and_sound(client: Client) -> None:
    with client.chains.voice_chat(b"xyz") as run:
        events = list(run)
    kinds = [StageStarted, Heard, ReplyText, ReplyText, ReplySound, ReplySound]
    assert [type(one) for one in events] == kinds
    assert events[1].text == "3 bytes"
    assert [one.text for one in events[2:]] == ["Good morning, ", "Anna. ", *PIECES]
    assert [one.item for one in events[4:]] == [0, 1]
    assert_is_the_reply(run.result(), "3 bytes")


def test_the_async_client_says_the_same(triton: FakeTriton) -> None:
    async def talk() -> tuple[list[Any], VoiceReply]:
        async with AsyncClient(triton.address) as client:
            async with client.chains.voice_chat(text="Hello.") as run:
                events = [one async for one in run]
            return events, await run.result()

    events, reply = asyncio.run(talk())
    assert isinstance(events[-1], ReplySound)
    assert_is_the_reply(reply, "Hello.")


def test_each_event_is_announced(client: Client) -> None:
    announced: list[Any] = []
    client.chains.voice_chat(b"x", on_event=announced.append).result()
    assert [type(one) for one in announced[-2:]] == [ReplySound, ReplySound]


def test_options_are_those_of_the_wire(client: Client, triton: FakeTriton) -> None:
    messages = [{"role": "system", "content": "Be brief."}]
    given = {
        "session": "a", "token": "token of a", "messages": messages, "played_s": 1.5, "voice": "mei", "language": "en",
        "context": "Anna",
        "max_tokens": 9, "seed": 4,
    }  # fmt: skip
    client.chains.voice_chat(b"x", **given).result()
    client.chains.voice_chat(b"x").result()
    assert asked(triton) == [given, {}]


@pytest.mark.parametrize("said", [{}, {"audio": b"x", "text": "Hello."}])
def test_an_utterance_is_audio_or_text(client: Client, said: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest, match="either audio or text"):
        client.chains.voice_chat(**said)


def test_a_failed_stage_names_itself_and_leaves_the_rest(client: Client) -> None:
    with pytest.raises(ChainFailed, match="stage 'speech' failed: the queue is full") as failure:
        client.chains.voice_chat(b"xyz", session="lost").result()
    reply = failure.value.result
    assert (failure.value.stage, reply.heard, reply.text, reply.spoken) == (
        "speech",
        "3 bytes",
        "Good morning, Anna.",
        "",
    )
    assert len(reply.samples) == 0


def test_a_turn_that_the_server_cancelled_says_so() -> None:
    def cancelled(inputs: Payloads) -> Iterator[Payloads]:
        yield {"PAYLOAD": b"", "EVENT": event(0, "end", **{**ENDING, "finish_reason": "cancelled"})}

    with FakeTriton({"voice_chat": cancelled}) as triton, Client(triton.address) as client:
        run = client.chains.voice_chat(b"x")
        with pytest.raises(Cancelled, match="the server cancelled the turn"):
            run.result()


def test_turns_of_a_conversation_share_a_session_and_its_token(client: Client, triton: FakeTriton) -> None:
    messages = [{"role": "system", "content": "Be brief."}]
    with client.chains.conversation(messages=messages, voice="mei") as talk:
        talk.say(b"x").result()
        talk.say(text="Hello.", played_s=0.5).result()
        mine = {"session": talk.session, "token": talk.token}
    begun, first, second, last = asked(triton)
    assert begun == {"session": talk.session, "messages": messages}
    assert first == {**mine, "voice": "mei"}
    assert second == {**mine, "played_s": 0.5, "voice": "mei"}
    assert last == {**mine, "end_session": True}


def test_turns_of_an_async_conversation_share_its_token(triton: FakeTriton) -> None:
    async def talk() -> VoiceReply:
        async with AsyncClient(triton.address) as client:
            talk = client.chains.conversation("anna")
            with pytest.raises(InvalidRequest, match="the conversation is not open"):
                talk.say(text="Too early.")
            async with talk:
                return await talk.say(text="Hello.").result()

    assert_is_the_reply(asyncio.run(talk()), "Hello.")
    begun, turn, last = asked(triton)
    assert begun == {"session": "anna"}
    assert turn["token"] == last["token"] == "token of anna"


def test_an_interruption_needs_no_event_to_be_read(client: Client, triton: FakeTriton) -> None:
    talk = client.chains.conversation("anna")
    first, second = talk.say(text="One."), talk.say(text="Two.")
    assert second.result().heard == "Two."
    assert first.result().heard == "One."
    assert [one.get("token") for one in asked(triton)] == [None, "token of anna", "token of anna"]


def test_a_conversation_that_is_open_already_goes_on_by_its_token(client: Client, triton: FakeTriton) -> None:
    begun = client.chains.voice_chat(text="One.", session="anna").result()
    assert begun.token == "token of anna"
    assert client.chains.voice_chat(text="Two.", session="anna", token=begun.token).result().token is None
    client.chains.conversation("anna", token=begun.token).say(text="Three.").result()
    assert [one.get("token") for one in asked(triton)] == [None, begun.token, begun.token]
    for wrong in ({"messages": []}, {"session": None}):
        with pytest.raises(InvalidRequest, match="token goes with the name of a conversation"):
            client.chains.conversation(**{"session": "anna", "token": "x", **wrong})


def test_live_sound_is_heard_until_a_pause(client: Client, triton: FakeTriton) -> None:
    microphone = iter([bytes(HALF_SECOND_BYTES)] * 6)
    captions: list[Any] = []
    with client.chains.conversation(language="en") as talk:
        assert talk.hear(microphone, on_caption=captions.append) == "w0 w1 w2 w3"
        assert captions
        assert talk.hear(microphone).startswith("w0")
        assert talk.hear(microphone) == ""
    assert triton.open_sequences == set()
    assert {json.loads(one.inputs["OPTIONS"]).get("language", "en") for one in triton.received} == {"en"}


def test_live_sound_is_heard_by_the_async_client(triton: FakeTriton) -> None:
    async def microphone() -> AsyncIterator[bytes]:
        for _ in range(6):
            yield bytes(HALF_SECOND_BYTES)

    async def talk() -> tuple[str, VoiceReply]:
        async with AsyncClient(triton.address) as client, client.chains.conversation() as talk:
            said = await talk.hear(microphone())
            return said, await talk.say(text=said).result()

    said, reply = asyncio.run(talk())
    assert said == "w0 w1 w2 w3"
    assert_is_the_reply(reply, said)
    assert triton.open_sequences == set()


# --- qwen talk ----------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("command_line")
def test_talk_answers_a_recording() -> None:
    record("hello.wav")
    result = qwen("talk", "hello.wav", "--voice", "mei")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == "heard: 1 bytes\nsaid: Good morning, Anna.\nfile: reply.wav\n"
    samples, rate = soundfile.read("reply.wav", dtype="int16")
    assert rate == SAMPLE_RATE_HZ
    np.testing.assert_array_equal(samples, np.tile(FRAME, 2))


@pytest.mark.usefixtures("command_line")
def test_several_recordings_are_turns_of_one_conversation(triton: FakeTriton) -> None:
    record("one.wav", "two.wav")
    result = qwen("talk", "one.wav", "two.wav", "-o", "answer.flac", "--json")
    told = [json.loads(line) for line in result.stdout.splitlines()]
    assert [turn["heard"] for turn in told] == ["1 bytes", "2 bytes"]
    assert [turn["file"] for turn in told] == ["answer-1.flac", "answer-2.flac"]
    assert Path("answer-2.flac").exists()
    begun, first, second, last = asked(triton)
    assert begun["session"] == first["session"] == second["session"] == last["session"]
    assert first["token"] == second["token"] == last["token"]
    assert last["end_session"]


@pytest.mark.usefixtures("command_line")
def test_a_named_conversation_stays_open_and_goes_on_by_its_token(triton: FakeTriton) -> None:
    record("one.wav")
    begun = qwen("talk", "one.wav", "--session", "anna")
    assert begun.stdout.splitlines()[-2:] == ["session: anna", "token: token of anna"]
    again = qwen("talk", "one.wav", "--session", "anna", "--token", "token of anna", "--json")
    assert json.loads(again.stdout)["token"] == "token of anna"
    mine = {"session": "anna", "token": "token of anna"}
    assert asked(triton) == [{"session": "anna"}, mine, mine]


@pytest.mark.usefixtures("command_line")
def test_standard_input_has_a_turn_for_each_utterance() -> None:
    result = qwen("talk", "-", stdin=bytes(6 * HALF_SECOND_BYTES))
    assert result.exit_code == 0
    assert result.stdout.splitlines()[0] == "heard: w0 w1 w2 w3"
    assert Path("reply-1.wav").exists()


@pytest.mark.usefixtures("command_line")
def test_talk_tells_what_failed_and_what_did_not() -> None:
    record("hello.wav")
    result = qwen("talk", "hello.wav", "--session", "lost")
    assert result.exit_code == 1
    told = "heard: 1 bytes\nsaid: Good morning, Anna.\nsession: lost\ntoken: token of lost\n"
    assert result.stdout == told
    assert "stage 'speech' failed: the queue is full (UNAVAILABLE)" in result.stderr


@pytest.mark.usefixtures("command_line")
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["hello.wav", "-o", "reply.xyz"], "no known audio suffix"),
        (["hello.wav", "-"], "- is standard input"),
        (["nowhere.wav"], "nowhere.wav"),
        (["hello.wav", "-o", "nowhere/reply.wav"], "there is no folder nowhere"),
    ],
)
def test_bad_arguments_are_told(arguments: list[str], told: str) -> None:
    record("hello.wav")
    assert_fails_on_one_line(qwen("talk", *arguments), told)
