"""Voice chat through the real server: replies are heard again, remembered as far as they were heard, and stop."""

import asyncio
import io
import json
import subprocess
import sys
from base64 import b64decode, urlsafe_b64encode
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile

from qwen_client import (
    AsyncClient,
    ChainFailed,
    Client,
    Heard,
    ReplySound,
    ReplyText,
    SessionStarted,
    StageFailed,
    StageStarted,
    VoiceReply,
)
from qwen_engine.chains.tasks.prompts import prompt
from qwen_engine.text.clauses import Clauses
from tests.loading import load, unload
from tests.plain_http import post

QWEN = Path(sys.prefix) / "bin" / "qwen"
SAMPLE_RATE_HZ = 16_000
TIMEOUT_S = 300
LONG = "The meeting starts at nine o'clock tomorrow. Please call Anna on Monday."
PLAN = "The meeting starts at nine o'clock tomorrow."
RECALL = "Show me the plan."


def words(text: str) -> list[str]:
    return text.lower().replace(",", "").replace(".", "").split()


def say(client: Client, text: str, session: str | None = None, **options) -> VoiceReply:
    return client.chains.voice_chat(text=text, session=session, **options).result()


def contents(reply: VoiceReply) -> list[str]:
    """What was said, turn by turn."""
    return [message["content"] for message in reply.messages if message["role"] != "system"]


def test_a_spoken_reply_says_what_the_text_says(client, audio):
    reply = client.chains.voice_chat(audio / "message.wav").result()
    assert reply.heard == (audio / "message.txt").read_text().strip()
    assert words(PLAN)[:4] == words(reply.text)[2:6]
    heard = client.asr.transcribe((reply.samples, reply.sample_rate)).text
    assert words(heard) == words(reply.text) == words(reply.spoken)


def test_it_equals_the_steps_called_one_by_one(client, audio):
    with client.chains.voice_chat(audio / "message.wav", seed=5) as run:
        events = list(run)
    reply = run.result()
    heard = client.asr.transcribe(audio / "message.wav", timestamps="none").text
    answer = client.chat.complete(prompt("assistant").messages(heard), seed=5).text
    clauses = Clauses()
    pieces = [piece.strip() for piece in [*clauses.add(answer), *clauses.finish()]]
    speech = [client.tts.synthesize(piece, seed=5).samples for piece in pieces]
    assert [event.text for event in events if isinstance(event, Heard)] == [heard]
    assert "".join(event.text for event in events if isinstance(event, ReplyText)) == reply.text == answer
    assert list(dict.fromkeys(event.text for event in events if isinstance(event, ReplySound))) == pieces
    np.testing.assert_allclose(reply.samples, np.concatenate(speech), atol=2 / 32_768)


def test_a_conversation_remembers_what_was_said(client):
    with client.chains.conversation() as talk:
        first = talk.say(text=PLAN).result()
        second = talk.say(text=RECALL).result()
    assert contents(second) == [PLAN, first.text, RECALL, second.text]
    assert words(PLAN)[-4:] == words(second.text)[-4:]
    assert say(client, RECALL).text != second.text


def test_conversations_at_once_do_not_mix(server):
    numbers = ["one", "two", "three", "four", "five", "six", "seven", "eight"]

    def conversation(index: int) -> VoiceReply:
        with client.chains.conversation() as talk:
            talk.say(text=f"The number is {numbers[index % len(numbers)]}.").result()
            return talk.say(text="Hello everyone.").result()

    with Client(server.address.grpc, timeout_s=TIMEOUT_S) as client, ThreadPoolExecutor(32) as pool:
        replies = list(pool.map(conversation, range(32)))
    for index, reply in enumerate(replies):
        assert contents(reply)[0] == f"The number is {numbers[index % len(numbers)]}."
        assert contents(reply) == contents(replies[index % len(numbers)])
        assert contents(reply)[-1] == reply.text == reply.spoken
    assert len({contents(reply)[1] for reply in replies}) == len(numbers)


def test_another_utterance_stops_the_reply_and_what_was_not_spoken_is_forgotten(client):
    with client.chains.conversation() as talk, ThreadPoolExecutor(1) as pool:
        second = None
        with talk.say(text=LONG) as first:
            for event in first:
                if isinstance(event, ReplySound) and second is None:
                    second = pool.submit(lambda: talk.say(text="Thank you everyone.", played_s=0.0).result())
        cut, reply = first.result(), second.result()
    assert cut.was_interrupted
    assert cut.duration_s < say(client, LONG).duration_s
    assert contents(reply) == [f"{LONG} Thank you everyone.", reply.text]
    assert not reply.was_interrupted


def test_of_a_reply_what_was_played_is_remembered(client):
    whole = say(client, LONG)
    pieces_s: dict[str, float] = {}
    with client.chains.conversation() as talk:
        with talk.say(text=LONG) as run:
            for event in run:
                if isinstance(event, ReplySound):
                    length_s = len(event.samples) / event.sample_rate
                    pieces_s[event.text] = pieces_s.get(event.text, 0.0) + length_s
        first, second = list(pieces_s)[:2]
        reply = talk.say(text=RECALL, played_s=pieces_s[first] + pieces_s[second] / 2).result()
    assert contents(reply)[1] == first
    assert whole.text.startswith(first)


def test_callers_who_leave_free_what_they_held(client):
    def leave(number: int) -> str:
        kinds = (Heard, ReplyText, ReplySound)
        with client.chains.voice_chat(text=LONG, session=f"left {number}") as run:
            token = next(event.token for event in run if isinstance(event, SessionStarted))
            next(event for event in run if isinstance(event, kinds[number % 3]))
        return token

    with ThreadPoolExecutor(24) as pool:  # more than the voice has places
        tokens = list(pool.map(leave, range(36)))
    reply = say(client, RECALL, session="left 2", token=tokens[2])
    assert len(contents(reply)) in (2, 4)
    assert reply.messages[-1]["content"] == reply.text
    for number, token in enumerate(tokens):
        client.chains.voice_chat(session=f"left {number}", token=token, end_session=True).result()


def test_a_stage_that_fails_names_itself(client):
    run = client.chains.voice_chat(text=PLAN, voice="nobody")
    with pytest.raises(ChainFailed, match="'nobody'") as failure:
        run.result()
    assert failure.value.stage == "speech"
    assert failure.value.status == "INVALID_ARGUMENT"
    assert failure.value.result.text == say(client, PLAN).text
    assert failure.value.result.spoken == ""


def test_bad_audio_is_the_fault_of_hearing(client):
    with client.chains.voice_chat(b"no sound") as run:
        events = list(run)
    assert [event.stage for event in events if isinstance(event, StageFailed)] == ["heard"]
    with pytest.raises(ChainFailed, match="stage 'heard' failed: AUDIO"):
        run.result()


def test_a_model_that_is_unloaded_in_mid_turn_is_named(server, client, audio):
    """It takes seconds to hear so much, the recogniser's neighbour is gone in a moment."""
    samples, sample_rate_hz = soundfile.read(audio / "message.wav", dtype="float32")
    with client.chains.voice_chat((np.tile(samples, 120), sample_rate_hz), session="unloading") as run:
        token = next(event.token for event in run if isinstance(event, SessionStarted))
        next(event for event in run if isinstance(event, StageStarted))
        unload(server, "qwen3_chat")
        try:
            rest = list(run)
        finally:
            load(server, "qwen3_chat")
    assert any(isinstance(event, Heard) for event in rest)
    assert [(event.stage, event.error.status) for event in rest if isinstance(event, StageFailed)] == [
        ("reply", "UNAVAILABLE")
    ]
    with pytest.raises(ChainFailed, match="qwen3_chat"):
        run.result()
    again = say(client, PLAN, session="unloading", token=token, end_session=True)
    assert contents(again)[0] == PLAN  # what failed is forgotten


def test_live_chunks_come_through_the_captions(server, client, audio):
    samples, _ = soundfile.read(audio / "message.wav", dtype="int16")
    sound = np.concatenate([samples, np.zeros(SAMPLE_RATE_HZ, np.int16)] * 2)

    async def talk() -> tuple[list[str], list[VoiceReply]]:
        async def microphone():
            for part in np.split(sound[: len(sound) // 800 * 800], len(sound) // 800):
                yield part

        pieces = microphone()
        async with AsyncClient(server.address.grpc) as each, each.chains.conversation() as conversation:
            heard = [await conversation.hear(pieces), await conversation.hear(pieces)]
            return heard, [await conversation.say(text=text).result() for text in heard]

    heard, replies = asyncio.run(talk())
    assert heard == [(audio / "message.txt").read_text().strip()] * 2
    assert replies[0].text == client.chains.voice_chat(audio / "message.wav").result().text
    assert len(contents(replies[1])) == 4


def test_the_command_line_talks(server, audio, tmp_path):
    command = [QWEN, "talk", "--url", server.address.grpc, "--json"]
    sources = [audio / "message.wav"] * 2
    done = subprocess.run([*command, *sources], cwd=tmp_path, capture_output=True, timeout=TIMEOUT_S, check=True)
    first, second = map(json.loads, done.stdout.decode().splitlines())
    assert first["heard"] == second["heard"] == (audio / "message.txt").read_text().strip()
    samples, rate_hz = soundfile.read(tmp_path / first["file"])
    assert rate_hz == 24_000
    assert len(samples) / rate_hz == pytest.approx(first["duration_s"])
    live = soundfile.read(audio / "message.wav", dtype="int16")[0].tobytes() + bytes(2 * SAMPLE_RATE_HZ)
    done = subprocess.run([*command, "-"], cwd=tmp_path, input=live, capture_output=True, timeout=TIMEOUT_S, check=True)
    assert json.loads(done.stdout)["said"] == first["said"]


def test_curl_can_talk(server, client, audio):
    options = {"input_encoding": "base64", "output_encoding": "base64"}
    question = (audio / "message.wav").read_bytes()
    body = {"AUDIO": urlsafe_b64encode(question).rstrip(b"=").decode(), "OPTIONS": json.dumps(options)}
    told = post(server, "voice_chat/generate_stream", body)
    events = [json.loads(one["EVENT"]) for one in told]
    assert [event["index"] for event in events] == list(range(len(events)))
    assert [event["type"] for event in events].count("end") == 1
    assert events[-1]["type"] == "end"
    sound = b"".join(b64decode(one["PAYLOAD"]) for one, event in zip(told, events, strict=True) if "text" in event)
    reply = client.chains.voice_chat(io.BytesIO(question)).result()
    np.testing.assert_allclose(np.frombuffer(sound, "<i2") / 32_768, reply.samples, atol=2 / 32_768)
