"""/v1/chat/completions by OpenAI's own client, in front of the scripted server."""

import base64
import json
from typing import Any

import httpx2 as httpx
import pytest
from fake_triton import FakeTriton
from openai import APIError, BadRequestError, NotFoundError, OpenAI

HELLO: list[Any] = [{"role": "user", "content": "Good morning"}]
PNG = "data:image/png;base64," + base64.b64encode(b"\x89PNG and so on").decode()
CHAT = "/v1/chat/completions"


def test_an_answer(openai: OpenAI) -> None:
    answer = openai.chat.completions.create(model="gpt-4o", messages=HELLO)
    [choice] = answer.choices
    assert (choice.message.role, choice.message.content) == ("assistant", "1: Good morning")
    assert choice.finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0
    assert answer.model == "gpt-4o"


def test_chunks_and_usage(openai: OpenAI) -> None:
    with openai.chat.completions.create(
        model="gpt-4o", messages=HELLO, stream=True, stream_options={"include_usage": True}
    ) as stream:
        chunks = list(stream)
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    assert deltas[0].role == "assistant"
    assert "".join(delta.content or "" for delta in deltas) == "1: Good morning"
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert len({chunk.id for chunk in chunks}) == 1


def test_options_reach_the_model(openai: OpenAI, triton: FakeTriton) -> None:
    schema = {"type": "object", "properties": {"colour": {"type": "string"}}}
    openai.chat.completions.create(
        model="qwen3_chat",
        messages=[{"role": "developer", "content": "Be brief."}, *HELLO],
        max_completion_tokens=9,
        temperature=0,
        top_p=0.5,
        presence_penalty=1,
        frequency_penalty=0.5,
        seed=3,
        stop="x",
        response_format={"type": "json_schema", "json_schema": {"name": "figure", "schema": schema, "strict": True}},
        extra_body={"chat_template_kwargs": {"enable_thinking": True}, "metadata": {"a": "b"}},
    )
    assert json.loads(triton.received[0].inputs["OPTIONS"]) == {
        "messages": [{"role": "system", "content": "Be brief."}, *HELLO],
        "thinking": True,
        "json_schema": schema,
        "max_tokens": 9,
        "temperature": 0.0,
        "top_p": 0.5,
        "presence_penalty": 1.0,
        "frequency_penalty": 0.5,
        "seed": 3,
        "stop": ["x"],
    }


def test_pictures_go_to_the_model_that_sees(openai: OpenAI, triton: FakeTriton) -> None:
    parts: Any = [{"type": "image_url", "image_url": {"url": PNG}}, {"type": "text", "text": "What is it?"}]
    answer = openai.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": parts}])
    assert answer.choices[0].message.content == "14 bytes"
    assert triton.received[0].model == "qwen3_vl"


def test_what_is_said_is_heard_and_the_answer_is_spoken(openai: OpenAI, triton: FakeTriton) -> None:
    sound: Any = {"type": "input_audio", "input_audio": {"data": base64.b64encode(b"RIFF").decode(), "format": "wav"}}
    answer = openai.chat.completions.create(
        model="gpt-4o-audio-preview",
        messages=[{"role": "user", "content": [sound]}],
        modalities=["text", "audio"],
        audio={"voice": "alloy", "format": "wav"},
    )
    spoken = answer.choices[0].message.audio
    assert spoken is not None
    assert spoken.transcript == "1: 4 bytes"
    assert base64.b64decode(spoken.data).startswith(b"RIFF")
    assert [request.model for request in triton.received] == ["qwen3_asr", "qwen3_chat", "qwen3_tts"]


def test_a_spoken_answer_streams(openai: OpenAI) -> None:
    with openai.chat.completions.create(
        model="gpt-4o-audio-preview",
        messages=HELLO,
        modalities=["text", "audio"],
        audio={"voice": "alloy", "format": "pcm16"},
        stream=True,
    ) as stream:
        sounds = [sound for chunk in stream if (sound := getattr(chunk.choices[0].delta, "audio", None))]
    assert sounds[0].transcript == "1: Good morning"
    assert sum(len(base64.b64decode(sound.data or "")) for sound in sounds) > 1000


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"messages": HELLO, "tools": [{"type": "function"}]}, "tools"),
        ({"messages": [{"role": "tool", "content": "5"}]}, "messages"),
        ({"messages": [{"role": "user"}]}, "messages"),
        ({"messages": [{"role": "user", "content": [{"type": "image", "image": "/etc/passwd"}]}]}, "messages"),
        ({"messages": [{"role": "user", "content": ["/etc/passwd"]}]}, "messages"),
        ({"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]}, "messages"),
    ],
)
def test_what_cannot_be_done_is_told(body: Any, param: str, http: httpx.Client, triton: FakeTriton) -> None:
    answer = http.post(CHAT, json=body)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)
    assert not triton.received


def test_urls_of_pictures_are_not_fetched(openai: OpenAI) -> None:
    parts: Any = [{"type": "image_url", "image_url": {"url": "http://169.254.169.254/latest"}}]
    with pytest.raises(BadRequestError):
        openai.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": parts}])


def test_a_model_that_is_not_there(openai: OpenAI) -> None:
    with pytest.raises(NotFoundError) as caught:
        openai.chat.completions.create(model="claude", messages=HELLO)
    assert caught.value.code == "model_not_found"


def test_an_error_in_mid_stream_reaches_the_client(openai: OpenAI, triton: FakeTriton) -> None:
    whole = triton.scripts["qwen3_chat"]

    def script(inputs: Any) -> Any:
        yield next(whole(inputs))
        yield {"text_output": b"x", "EVENT": b"no JSON"}

    triton.scripts["qwen3_chat"] = script
    with (
        openai.chat.completions.create(model="gpt-4o", messages=HELLO, stream=True) as stream,
        pytest.raises(APIError, match="internal error"),
    ):
        list(stream)
