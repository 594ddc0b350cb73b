"""`generate`, Triton's HTTP endpoint for one answer: every model has one, also those that otherwise stream."""

import io
import json
import subprocess
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from qwen_engine.audio import pcm16
from tests.plain_http import ask, post

WHOLE = {"stream": False, "output_encoding": "base64"}
PROMPT = "a small red circle on a blue background"
MESSAGES = [{"role": "user", "content": "Good morning, please call Anna today."}]


def generate(server: Any, model: str, options: dict[str, Any], **tensors: Any) -> dict[str, Any]:
    [answer] = post(server, f"{model}/generate", {**tensors, "OPTIONS": json.dumps(options)})
    assert "error" not in answer, answer
    return {**answer, "EVENT": json.loads(answer["EVENT"])}


def is_an_end(event: dict[str, Any]) -> None:
    assert (event["index"], event["type"], event["finish_reason"]) == (0, "end", "stop")
    assert event["timings"]["total_s"] > 0


def test_speech(server, client):
    answer = generate(server, "qwen3_tts", WHOLE, TEXT="Good evening. Thank you everyone.")
    is_an_end(answer["EVENT"])
    speech = client.tts.synthesize("Good evening. Thank you everyone.")
    assert b64decode(answer["AUDIO"], validate=True) == pcm16(speech.samples)
    assert answer["EVENT"]["sample_rate_hz"] == speech.sample_rate == 24000
    assert answer["EVENT"]["frames"] * 1920 == len(speech.samples)
    assert answer["EVENT"]["audio_s"] == pytest.approx(speech.duration_s, abs=0.01)


def test_speech_in_raw_bytes_is_refused_by_nobody_and_voices_are_told(server):
    answer = generate(server, "qwen3_tts", {"action": "list_voices", "stream": False}, TEXT="")
    is_an_end({**answer["EVENT"], "timings": {"total_s": 1}})
    assert "ava" in answer["EVENT"]["speakers"]


def test_a_picture(server, client):
    answer = generate(server, "qwen_image", {**WHOLE, "steps": 4, "seed": 3}, PROMPT=PROMPT)
    is_an_end(answer["EVENT"])
    assert {name: answer["EVENT"][name] for name in ("width", "height", "seed", "format", "picture")} == {
        "width": 64, "height": 64, "seed": 3, "format": "png", "picture": 0,
    }  # fmt: skip
    assert answer["TEXT"] == PROMPT
    drawn = PIL.Image.open(io.BytesIO(b64decode(answer["IMAGE"])))
    assert np.array_equal(drawn, client.image.generate(PROMPT, steps=4, seed=3).image)


def test_styles(server, client):
    answer = generate(server, "qwen_image", {"action": "list_styles", "stream": False}, PROMPT="")
    assert [style["name"] for style in answer["EVENT"]["styles"]] == [style.name for style in client.image.styles()]


def test_several_pictures_are_refused(server):
    status, answer = ask(server, "qwen_image/generate", {"PROMPT": PROMPT, "OPTIONS": json.dumps({**WHOLE, "n": 2})})
    assert status == 400
    assert "OPTIONS.n is 2, but OPTIONS.stream is false" in answer


def test_an_answer_in_text(server, client):
    answer = generate(server, "qwen3_chat", {"messages": MESSAGES, "stream": False}, text_input="")
    is_an_end(answer["EVENT"])
    expected = client.chat.complete(MESSAGES)
    assert answer["text_output"] == expected.text
    assert answer["EVENT"]["usage"]["completion_tokens"] == expected.usage.completion_tokens


@pytest.mark.parametrize("body", [{"stream": False}, {"parameters": {"stream": False}}], ids=["plain", "parameters"])
def test_a_prompt_as_other_servers_take_it(server, body):
    [answer] = post(server, "qwen3_chat/generate", {"text_input": "Good morning", "max_tokens": 5, **body})
    assert answer["text_output"]
    assert json.loads(answer["EVENT"])["type"] == "end"


def test_a_spoken_request_is_drawn(server, client, audio):
    data = b64encode((audio / "request.wav").read_bytes()).decode()
    options = {"ASR_OPTIONS": '{"input_encoding": "base64"}', "IMAGE_OPTIONS": json.dumps({**WHOLE, "steps": 4})}
    [answer] = post(server, "spoken_image/generate", {"AUDIO": data, **options})
    is_an_end(json.loads(answer["EVENT"]))
    assert answer["TEXT"] == (audio / "request.txt").read_text().strip()
    assert PIL.Image.open(io.BytesIO(b64decode(answer["IMAGE"]))).size == (64, 64)


def test_a_voice_chat(server, client, audio):
    question = audio / "message.wav"
    options = {**WHOLE, "input_encoding": "base64", "session": "generated"}
    answer = generate(server, "voice_chat", options, AUDIO=b64encode(question.read_bytes()).decode())
    event = answer["EVENT"]
    is_an_end(event)
    reply = client.chains.voice_chat(question).result()
    assert event["outputs"] == {"heard": reply.heard, "reply": reply.text, "spoken": reply.text}
    assert b64decode(answer["PAYLOAD"], validate=True) == pcm16(reply.samples)
    assert event["sample_rate_hz"] == 24000
    assert [one["value"] for one in event["results"] if one["stage"] == "heard"] == [reply.heard]
    again = {**WHOLE, "session": "generated", "token": event["token"], "end_session": True}
    is_an_end(generate(server, "voice_chat", again, TEXT="Thank you.")["EVENT"])


def test_a_workflow(server):
    node = {"model": "qwen_image", "inputs": {"PROMPT": PROMPT}, "options": {"steps": 4}}
    graph = {"nodes": {"drawn": node}, "outputs": {"picture": "$drawn.IMAGE"}}
    answer = generate(server, "workflow", {"stream": False}, WORKFLOW=json.dumps(graph))
    is_an_end(answer["EVENT"])
    [picture] = [one for one in answer["EVENT"]["results"] if one["output"] == "IMAGE"]
    assert PIL.Image.open(io.BytesIO(b64decode(picture["payload"]))).size == (64, 64)
    assert answer["EVENT"]["outputs"]["picture"] == {"stage": "drawn", "output": "IMAGE"}


def test_a_named_chain(server):
    answer = generate(server, "storyboard", {"stream": False}, TEXT="A small red circle. A large blue star.")
    is_an_end(answer["EVENT"])
    files = [one for one in answer["EVENT"]["results"] if "payload" in one]
    assert {b64decode(one["payload"])[:4] for one in files} >= {b"\x89PNG"}


def test_what_fails_in_a_chain_is_told_by_its_end(server):
    graph = {"nodes": {"drawn": {"model": "qwen_image", "inputs": {"PROMPT": PROMPT}, "options": {"steps": 1000}}}}
    [answer] = post(server, "workflow/generate", {"WORKFLOW": json.dumps(graph), "OPTIONS": '{"stream": false}'})
    event = json.loads(answer["EVENT"])
    assert (event["type"], event["finish_reason"]) == ("end", "failed")
    assert "OPTIONS.steps is 1000" in event["error"]["message"]


@pytest.mark.parametrize("model", ["qwen3_tts", "qwen_image", "qwen3_chat", "voice_chat", "workflow", "storyboard"])
def test_a_wrong_option_is_a_400(server, model):
    inputs = {"qwen3_tts": "TEXT", "qwen_image": "PROMPT", "qwen3_chat": "text_input", "workflow": "WORKFLOW"}
    tensors = {inputs[model]: "x"} if model in inputs else {"TEXT": "x"}
    status, answer = ask(server, f"{model}/generate", {**tensors, "OPTIONS": '{"stream": 0}'})
    assert status == 400
    assert json.loads(answer)["error"].startswith("INVALID_ARGUMENT: OPTIONS.stream is 0")


def test_the_documented_recipe_saves_a_picture(server, tmp_path):
    page = (Path(__file__).resolve().parents[2] / "docs" / "wire-protocol.md").read_text()
    [recipe] = [line for line in page.splitlines() if "qwen_image/generate " in line]
    command = recipe.replace("127.0.0.1:8000", server.address.http.removeprefix("http://"))
    (tmp_path / "out").mkdir()
    subprocess.run(["bash", "-c", command], cwd=tmp_path, check=True, timeout=120)
    with PIL.Image.open(tmp_path / "out" / "circle.png") as picture:
        assert picture.size == (64, 64)
