"""A spoken conversation by OpenAI's client through the gateway and the real server: what it says can be heard again."""

import base64
import json

import numpy as np
import pytest
import soundfile
import soxr
from openai import OpenAI
from websockets.sync.client import connect

from qwen_engine.chains.tasks.prompts import prompt
from tests.gateway_thread import GatewayThread

RATE_HZ = 24_000
PIECE_BYTES = 2 * RATE_HZ // 10


def words(text: str) -> list[str]:
    return text.lower().replace(",", "").replace(".", "").split()


@pytest.mark.filterwarnings("ignore:connect\\(\\) must be used:DeprecationWarning")  # of the openai client's own
def test_what_is_said_is_heard_and_answered_aloud(server, client, audio):
    samples, rate_hz = soundfile.read(audio / "message.wav")
    spoken = np.concatenate([soxr.resample(samples, rate_hz, RATE_HZ), np.zeros(RATE_HZ)])
    pcm = np.clip(np.rint(spoken * 32_768), -32_768, 32_767).astype("<i2").tobytes()
    heard, said, sound = "", "", b""
    with (
        GatewayThread(triton=(server.address.grpc,)) as gateway,
        OpenAI(base_url=f"{gateway.url}/v1", api_key="none") as openai,
        openai.realtime.connect(model="gpt-realtime") as connection,
    ):
        [system] = [one["content"] for one in prompt("assistant").messages("") if one["role"] == "system"]
        listening = {"transcription": {"model": "whisper-1", "language": "en"}}
        session = {"type": "realtime", "instructions": system, "audio": {"input": listening}}
        connection.session.update(session=session)
        for at in range(0, len(pcm), PIECE_BYTES):
            connection.input_audio_buffer.append(audio=base64.b64encode(pcm[at : at + PIECE_BYTES]).decode())
        for event in connection:
            assert event.type != "error", event
            if event.type == "conversation.item.input_audio_transcription.completed":
                heard = event.transcript
            elif event.type == "response.output_audio_transcript.delta":
                said += event.delta
            elif event.type == "response.output_audio.delta":
                sound += base64.b64decode(event.delta)
            elif event.type == "response.done":
                break
    assert event.response.status == "completed"
    assert words(heard) == words((audio / "message.txt").read_text())
    assert words(said)
    reply = np.frombuffer(sound, "<i2").astype(np.float32) / 32_768
    assert words(client.asr.transcribe((reply, RATE_HZ)).text) == words(said)


def test_captions_of_what_is_spoken(server, audio):
    samples, rate_hz = soundfile.read(audio / "message.wav", dtype="int16")
    pcm = samples.astype("<i2").tobytes()
    with (
        GatewayThread(triton=(server.address.grpc,)) as gateway,
        connect(
            f"ws://127.0.0.1:{gateway.port}/api/v1/captions?language=en&sample_rate={rate_hz}", proxy=None
        ) as socket,
    ):
        for at in range(0, len(pcm), PIECE_BYTES):
            socket.send(pcm[at : at + PIECE_BYTES])
        socket.send('{"type": "finish"}')
        captions = [json.loads(text) for text in socket]
    assert [caption["is_final"] for caption in captions] == [False] * (len(captions) - 1) + [True]
    said = " ".join(segment["text"] for caption in captions for segment in caption["segments"])
    assert words(said) == words((audio / "message.txt").read_text())
