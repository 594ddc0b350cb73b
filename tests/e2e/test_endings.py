"""Answers that are cut say so, through the real server: in results, and by the commands."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from qwen_client import ServerError

QWEN = Path(sys.prefix) / "bin" / "qwen"
SCHEMA = {"type": "object", "properties": {"said": {"type": "string", "minLength": 40}}, "required": ["said"]}
SHORT = {"max_audio_s": 0.4}
GRAPH = {
    "nodes": {"said": {"model": "qwen3_tts", "inputs": {"TEXT": "Good morning, everyone."}, "options": SHORT}},
    "outputs": {"speech": "$said.AUDIO"},
}  # fmt: skip
CUT = "was cut at the limit of its length"
TOO_SLOW = "was cut: it took longer than its text can"


def qwen(server, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [QWEN, *map(str, arguments), "--url", server.address.grpc]
    return subprocess.run(command, capture_output=True, text=True, timeout=240)


@pytest.mark.parametrize("thinking", [False, True])
def test_chat(client, thinking):
    answer = client.chat.complete("Good morning.", thinking=thinking, max_tokens=2, seed=1)
    assert answer.finish_reason == "length"
    assert answer.usage.completion_tokens == 2
    assert "<think>" not in answer.text


def test_json_that_is_cut_is_told_as_cut(client):
    answer = client.chat.complete("Good morning.", json_schema=SCHEMA, max_tokens=8)
    assert answer.finish_reason == "length"
    with pytest.raises(ServerError, match=r"the answer is not JSON .*finish_reason 'length'"):
        answer.json()


def test_speech_and_descriptions(client):
    spoken = client.tts.synthesize("Good morning, everyone.", max_audio_s=0.4)
    assert (spoken.finish_reason, spoken.cut_by) == ("length", "budget")
    assert spoken.duration_s <= 0.4
    assert client.vision.describe(Image.new("RGB", (64, 64), "blue"), max_new_tokens=1).cut


def test_a_reply(client):
    reply = client.chains.voice_chat(text="Good morning.", max_tokens=2, seed=1).result()
    assert [(one.kind, one.stage, one.message) for one in reply.shortfalls] == [("cut", "reply", f"it {CUT}")]
    assert client.chains.voice_chat(text="Good morning.", seed=1).result().shortfalls == ()


def test_the_commands(server, tmp_path):
    done = qwen(server, "chat", "Good morning.", "--max-tokens", 2)
    assert (done.returncode, done.stderr) == (0, f"warning: the answer {CUT}\n")
    file = tmp_path / "graph.json"
    file.write_text(json.dumps(GRAPH))
    done = qwen(server, "run", file, "--out", tmp_path / "made", "--json")
    assert (done.returncode, done.stderr) == (0, f"warning: said: it {TOO_SLOW}\n")
    assert [one["kind"] for one in json.loads(done.stdout)["shortfalls"]] == ["cut"]
