"""WS /v1/realtime by OpenAI's own client, sync and async, and the tokens that it asks for."""

import asyncio
import base64
import time
from typing import Any, Literal, get_args, get_origin

import httpx2 as httpx
import pytest
from client_scripts import SAMPLES_PER_FRAME
from fake_triton import FakeTriton
from openai import AsyncOpenAI, BadRequestError, NotFoundError, OpenAI
from openai.types.realtime import AudioTranscription, RealtimeSessionCreateRequest
from realtime_client import checked, realtime, silence, speaking, speech
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from qwen_gateway.realtime.session import first_session
from qwen_gateway.settings import GatewaySettings
from tests.gateway_thread import GatewayThread

SECRETS = "/v1/realtime/client_secrets"
QUESTION: Any = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Good morning"}]}


@pytest.mark.filterwarnings("ignore:connect\\(\\) must be used:DeprecationWarning")  # of the client's own
def test_the_client(openai: OpenAI, triton: FakeTriton) -> None:
    speaking(triton)
    transcript, sound = "", b""
    with openai.realtime.connect(model="gpt-realtime") as connection:
        connection.session.update(session={"type": "realtime", "output_modalities": ["audio"]})
        connection.conversation.item.create(item=QUESTION)
        connection.response.create()
        for event in connection:
            if event.type == "response.output_audio_transcript.delta":
                transcript += event.delta
            elif event.type == "response.output_audio.delta":
                sound += base64.b64decode(event.delta)
            elif event.type == "response.done":
                break
    assert event.response.status == "completed"
    assert (transcript, len(sound)) == ("1: Good morning", 3 * 2 * SAMPLES_PER_FRAME)


def test_the_async_client_speaks(gateway: GatewayThread, triton: FakeTriton) -> None:
    async def run() -> str:
        async with (
            AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key="none", max_retries=0) as client,
            client.realtime.connect(extra_query={"intent": "transcription"}) as connection,
        ):
            sound = silence(0.5) + speech(1.0) + silence(0.6)
            await connection.input_audio_buffer.append(audio=base64.b64encode(sound).decode())
            async for event in connection:
                if event.type == "conversation.item.input_audio_transcription.completed":
                    return event.transcript
        raise AssertionError

    assert asyncio.run(run()).startswith("w0 w1")


def test_a_client_secret(openai: OpenAI, gateway: GatewayThread) -> None:
    made = openai.realtime.client_secrets.create(
        session={"type": "realtime", "instructions": "Be brief.", "output_modalities": ["text"]},
        expires_after={"anchor": "created_at", "seconds": 60},
    )
    assert made.value.startswith("ek_")
    assert 0 < made.expires_at - time.time() <= 60
    assert made.session.instructions == "Be brief."
    protocols: Any = ["realtime", f"openai-insecure-api-key.{made.value}"]
    with realtime(gateway, subprotocols=protocols) as socket:
        assert socket.socket.subprotocol == "realtime"
        assert socket.events[0]["session"]["instructions"] == "Be brief."
    with realtime(gateway, "", additional_headers={"Authorization": f"Bearer {made.value}"}) as socket:
        assert socket.events[0]["session"]["output_modalities"] == ["text"]


def test_a_client_secret_for_transcriptions(openai: OpenAI, gateway: GatewayThread) -> None:
    made = openai.realtime.client_secrets.create(session={"type": "transcription"})
    with realtime(gateway, "", additional_headers={"Authorization": f"Bearer {made.value}"}) as socket:
        assert socket.events[0]["session"]["type"] == "transcription"


def test_secrets_of_others_are_not_accepted(openai: OpenAI, gateway: GatewayThread, triton: FakeTriton) -> None:
    value = openai.realtime.client_secrets.create(session={"type": "realtime"}).value
    changed = value[:-2] + ("A" if value[-2] != "A" else "B") + value[-1]
    for key in (changed, "ek_", "ek_???", "ek_" + "A" * 5000, "ek_" + "A" * 200, value[:20]):
        refused(gateway, key)
    with GatewayThread(triton=(triton.address,)) as other:
        refused(other, value)
    settings = gateway.app.state.settings
    with GatewayThread(triton=(triton.address,), secret_key=settings.secret_key) as same:
        url = f"ws://127.0.0.1:{same.port}/v1/realtime"
        with connect(url, proxy=None, additional_headers={"Authorization": f"Bearer {value}"}) as socket:
            assert checked(socket.recv(30))["type"] == "session.created"


def refused(gateway: GatewayThread, key: str) -> None:
    url = f"ws://127.0.0.1:{gateway.port}/v1/realtime?model=gpt-realtime"
    with (
        pytest.raises(InvalidStatus) as caught,
        connect(url, proxy=None, additional_headers={"Authorization": f"Bearer {key}"}),
    ):
        pass
    assert caught.value.response.status_code == 401
    assert b"authentication_error" in caught.value.response.body


def test_secrets_end(openai: OpenAI, gateway: GatewayThread, monkeypatch: pytest.MonkeyPatch) -> None:
    value = openai.realtime.client_secrets.create(session={"type": "realtime"}).value
    now_s = time.time()
    monkeypatch.setattr("qwen_gateway.realtime.client_secrets.time.time", lambda: now_s + 601)
    refused(gateway, value)


def test_secrets_that_cannot_be(openai: OpenAI, http: httpx.Client) -> None:
    with pytest.raises(NotFoundError):
        openai.realtime.client_secrets.create(session={"type": "realtime", "model": "claude"})
    noise = base64.b64encode(speech(1.0)).decode()
    with pytest.raises(BadRequestError, match="too large"):
        openai.realtime.client_secrets.create(session={"type": "realtime", "instructions": noise[:20_000]})
    for body in (
        {"session": 5},
        {"session": {"type": "x"}},
        {"expires_after": {"seconds": 1}},
        {"session": {"tools": [1]}},
    ):
        assert http.post(SECRETS, json=body).status_code == 422
    assert http.post(SECRETS, json={}).json()["session"]["type"] == "realtime"


def names_of(model: type[Any], field: str) -> list[str]:
    """The names that a field of the client's types lists."""
    literal = next(one for one in get_args(model.model_fields[field].annotation) if get_origin(one) is Literal)
    return list(get_args(literal))


def test_the_client_s_names_of_models_are_known() -> None:
    aliases = GatewaySettings().aliases
    for name in names_of(RealtimeSessionCreateRequest, "model"):
        assert first_session("realtime", name, aliases).model == name
    for name in names_of(AudioTranscription, "model"):
        assert first_session("transcription", name, aliases).audio.input.transcription is not None
