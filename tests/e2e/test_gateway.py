"""The gateway in front of the real server: OpenAI's client, the platform's own API, its process."""

import asyncio
import base64
import io
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx2 as httpx
import pytest
from openai import AsyncOpenAI, OpenAI
from PIL import Image

from qwen_client import Client
from qwen_server.address import free_port
from qwen_server.gateway_process import GatewayProcess
from qwen_server.triton_process import TritonProcess
from tests.waiting import until

SENTENCE = "Good morning everyone."


@pytest.fixture(scope="module")
def openai(gateway: GatewayProcess) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{gateway.url}/v1", api_key="none", max_retries=0) as client:
        yield client


@pytest.fixture(scope="module")
def http(gateway: GatewayProcess) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=gateway.url, timeout=60, trust_env=False) as client:
        yield client


@pytest.fixture(scope="module")
def message(audio: Path) -> tuple[bytes, str]:
    return (audio / "message.wav").read_bytes(), (audio / "message.txt").read_text().strip()


def test_transcription(openai: OpenAI, http: httpx.Client, message: tuple[bytes, str]) -> None:
    sound, text = message
    assert openai.audio.transcriptions.create(model="whisper-1", file=("a.wav", sound)).text == text
    body = {"audio_data": base64.b64encode(sound).decode(), "options": {"enable_timestamps": True}}
    told = http.post("/api/v1/asr/transcribe", json=body).json()
    assert told["text"] == text
    assert len(told["timestamps"]) == len(text.split())
    assert told["timestamps"][-1]["end"] <= told["duration"]


def test_every_format_of_speech_is_heard(openai: OpenAI) -> None:
    for sound_format in ("wav", "mp3", "opus", "aac", "flac"):
        spoken = openai.audio.speech.create(
            model="tts-1", voice="alloy", input=SENTENCE, response_format=sound_format, extra_body={"seed": 1}
        ).read()
        heard = openai.audio.transcriptions.create(model="whisper-1", file=(f"a.{sound_format}", spoken)).text
        if sound_format in ("wav", "flac"):
            assert heard == SENTENCE
        else:  # what is lost by the others makes the small recogniser hear a word too many
            assert heard.split()[:2] + heard.split()[-1:] == ["Good", "morning", "everyone."], sound_format


def test_the_async_client(gateway: GatewayProcess, message: tuple[bytes, str]) -> None:
    async def ask() -> list[str]:
        async with AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key="none") as client:
            calls = [
                client.audio.transcriptions.create(model="whisper-1", file=("a.wav", message[0])) for _ in range(4)
            ]
            return [heard.text for heard in await asyncio.gather(*calls)]

    assert asyncio.run(ask()) == [message[1]] * 4


def test_chat_draws_and_sees(openai: OpenAI, client: Client) -> None:
    asked = "Please draw a red circle."
    answer = openai.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": asked}])
    assert answer.choices[0].message.content == client.chat.complete(asked).text
    drawn = openai.images.generate(
        model="gpt-image-1", prompt="a small red circle on a blue background", size="1024x1024", extra_body={"seed": 1}
    )
    picture = (drawn.data or [])[0].b64_json or ""
    assert Image.open(io.BytesIO(base64.b64decode(picture))).size == (64, 64)
    shown = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{picture}"}}
    question = {"type": "text", "text": "What shape is it?"}
    seen = openai.chat.completions.create(
        model="gpt-4o",
        messages=[{"role": "user", "content": [shown, question]}],  # type: ignore[list-item]
    )
    assert seen.choices[0].message.content == "A circle."


def test_a_chain_s_events(http: httpx.Client) -> None:
    body = {"text": "a red circle and a green star"}
    with http.stream("POST", "/api/v1/chains/storyboard", json=body) as answer:
        events = [json.loads(line[6:]) for line in answer.iter_lines() if line.startswith("data: ")]
    assert [one for one in events if one["type"] == "stage_result" and one.get("payload")]
    assert (events[-1]["type"], events[-1]["finish_reason"]) == ("end", "stop")


def test_the_models_that_are_served(http: httpx.Client, openai: OpenAI) -> None:
    assert {"qwen3_asr", "qwen3_tts", "workflow"} <= set(http.get("/health/ready").json()["models"])
    assert "gpt-4o" in {model.id for model in openai.models.list()}


def test_a_gateway_that_ended_is_started_again(server: TritonProcess) -> None:
    told: list[str] = []
    with GatewayProcess.beside(server, free_port()) as gateway:
        gateway.wait_ready()
        first = gateway.pid
        os.kill(first, signal.SIGKILL)

        def is_again() -> bool:
            gateway.keep_running(told.append)
            return gateway.pid != first

        until(is_again)
        gateway.wait_ready()
        assert httpx.get(f"{gateway.url}/health/ready", trust_env=False).status_code == 200
    assert len(told) == 1
    assert "status -9" in told[0]


def test_workers_share_a_port(server: TritonProcess, message: tuple[bytes, str]) -> None:
    settings = server.profile.gateway.model_copy(update={"triton": (server.address.grpc,)})
    log = server.log_file.with_name("workers.log")
    with GatewayProcess(settings, "127.0.0.1", free_port(), log, workers=2) as gateway:
        gateway.wait_ready()
        with OpenAI(base_url=f"{gateway.url}/v1", api_key="none") as client:
            heard = client.audio.transcriptions.create(model="whisper-1", file=("a.wav", message[0]))
    assert heard.text == message[1]
