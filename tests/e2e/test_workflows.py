"""Workflows on the demo's models: each gives what its steps give when they are called one by one."""

import io
import json
import re
from base64 import b64decode
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import soundfile
import yaml
from typer.testing import CliRunner

from qwen_client import Client, StageProgress, StageResult
from qwen_client.cli import app
from tests.plain_http import post

HOME = Path(__file__).resolve().parents[2]
[EXAMPLE] = re.findall(r"^```yaml\n(.*?)^```", (HOME / "docs" / "chains.md").read_text(), re.DOTALL | re.MULTILINE)
SPOKEN = {
    "inputs": {"audio": {"type": "bytes"}},
    "nodes": {
        "heard": {"model": "qwen3_asr", "inputs": {"AUDIO": "$inputs.audio"}},
        "picture": {"model": "qwen_image", "inputs": {"PROMPT": "$heard.TEXT"}, "options": {"seed": 3}},
        "speech": {"model": "qwen3_tts", "inputs": {"TEXT": "$heard.TEXT"}},
        "again": {"model": "qwen3_asr", "inputs": {"AUDIO": "$speech.AUDIO"}},
        "timed": {"model": "aligned_transcript", "inputs": {"AUDIO": "$inputs.audio"}},
    },
    "outputs": {
        "heard": "$heard.TEXT",
        "picture": "$picture.IMAGE",
        "speech": "$speech.AUDIO",
        "again": "$again.TEXT",
        "words": "$timed.RESULT.words",
    },
}


def pixels(data: bytes) -> np.ndarray:
    return np.asarray(PIL.Image.open(io.BytesIO(data)).convert("RGB")).astype(int)


@pytest.fixture(scope="module")
def made(server, audio):
    """The workflow's result, and its events."""
    events: list[object] = []
    with Client(server.address.grpc, timeout_s=300) as client:
        return client.chains.run(SPOKEN, {"audio": audio / "request.wav"}, on_event=events.append), events


def test_a_workflow_gives_what_its_steps_give(client, audio, made):
    result, _ = made
    heard = client.asr.transcribe(audio / "request.wav")
    assert result.outputs["heard"] == heard.text == (audio / "request.txt").read_text().strip()
    picture = client.image.generate(heard.text, seed=3)
    assert np.abs(pixels(result.outputs["picture"]) - pixels(picture.data)).max() <= 1
    samples, rate_hz = soundfile.read(io.BytesIO(result.outputs["speech"]), dtype="float32")
    speech = client.tts.synthesize(heard.text)
    assert rate_hz == speech.sample_rate
    np.testing.assert_array_equal(samples, speech.samples)
    assert result.outputs["again"] == client.asr.transcribe((samples, rate_hz)).text
    alignment = client.chains.aligned_transcript(audio / "request.wav").alignment
    assert [word["start_s"] for word in result.outputs["words"]] == [word.start_s for word in alignment.words]


def test_stages_that_need_nothing_of_each_other_run_at_once(made):
    record = made[0].record
    assert {one.state for one in record.values()} == {"done"}
    for one, other in (("heard", "timed"), ("picture", "speech")):
        assert record[one].start_s < record[other].end_s
        assert record[other].start_s < record[one].end_s


def test_the_picture_comes_step_by_step_and_the_speech_in_pieces(made):
    result, events = made
    told = [event for event in events if isinstance(event, StageProgress)]
    steps = [event.event["step"] for event in told if event.event["type"] == "progress"]
    assert steps == list(range(1, 13))
    pieces = b"".join(event.payload for event in told if event.event["type"] == "audio")
    assert result.outputs["speech"].endswith(pieces)
    at = {(type(event), event.stage): number for number, event in enumerate(events)}
    assert at[StageResult, "heard"] < at[StageResult, "picture"]


def test_the_example_of_the_documentation_runs_from_the_command_line(server, audio, tmp_path, monkeypatch):
    monkeypatch.setenv("QWEN_URL", server.address.grpc)
    monkeypatch.chdir(tmp_path)
    Path("drawn.yaml").write_text(EXAMPLE)
    arguments = ["--input", f"audio={audio / 'request.wav'}", "--input", "colours=[white, blue]"]
    done = CliRunner().invoke(app, ["run", "drawn.yaml", *arguments, "--out", "drawn", "--timeout", "300"])

    assert done.exit_code == 0, done.stderr
    written = ["pictures-1.png", "pictures-2.png", "speech.wav", "text.txt", "record.json"]
    assert done.stdout.split() == [f"drawn/{name}" for name in written]
    heard = (audio / "request.txt").read_text().strip()
    texts = [f"{heard} on a {colour} background" for colour in ("white", "blue")]
    assert Path("drawn/text.txt").read_text().strip() == ". ".join(texts)
    items = json.loads(Path("drawn/record.json").read_text())["pictures"]["items"]
    assert [item["state"] for item in items] == ["done", "done"]


def test_lists_are_drawn_side_by_side_and_are_what_each_alone_is(client):
    workflow = yaml.safe_load(EXAMPLE)
    prompts = [f"a small {colour} circle on a white background" for colour in ("red", "blue", "green")]
    nodes = {"pictures": {**workflow["nodes"]["pictures"], "when": True, "inputs": {"PROMPT": "$item"}}}
    inputs = {"colours": {"type": "json"}}
    made = client.chains.run(
        {"inputs": inputs, "nodes": nodes, "outputs": {"pictures": "$pictures.IMAGE"}}, {"colours": prompts}
    )
    for seed, (prompt, data) in enumerate(zip(prompts, made.outputs["pictures"], strict=True)):
        assert np.abs(pixels(data) - pixels(client.image.generate(prompt, seed=seed).data)).max() <= 1


def test_a_workflow_over_http(server):
    node = {"model": "qwen_image", "inputs": {"PROMPT": "a red ring"}, "options": {"steps": 4}}
    body = {"WORKFLOW": json.dumps({"nodes": {"drawn": node}}), "OPTIONS": '{"output_encoding": "base64"}'}
    answers = post(server, "workflow/generate_stream", body)
    events = [json.loads(answer["EVENT"]) for answer in answers]
    assert [event["index"] for event in events] == list(range(len(events)))
    assert (events[-1]["type"], events[-1]["finish_reason"]) == ("end", "stop")
    payload = next(a["PAYLOAD"] for a, event in zip(answers, events, strict=True) if event.get("output") == "IMAGE")
    assert b64decode(payload).startswith(b"\x89PNG")
