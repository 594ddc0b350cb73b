"""The CLI against a real server."""

import json
import subprocess
import sys
from pathlib import Path

import PIL.Image
import soundfile

QWEN = Path(sys.prefix) / "bin" / "qwen"


def run(server, *arguments: object) -> str:
    command = [QWEN, *map(str, arguments), "--url", server.address.grpc]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


def test_transcribe_keeps_the_order(server, audio):
    files = [audio / "request.wav", audio / "message.wav", audio / "request.wav"]
    answers = json.loads(run(server, "transcribe", *files, "--json"))
    assert [answer["file"] for answer in answers] == [str(file) for file in files]
    assert [answer["text"] for answer in answers] == [file.with_suffix(".txt").read_text().strip() for file in files]
    plain = run(server, "transcribe", audio / "message.wav")
    assert plain == (audio / "message.txt").read_text()


def test_say_and_draw_write_files(server, tmp_path):
    said = json.loads(run(server, "say", "Hello everyone.", "-o", tmp_path / "x.wav", "--json"))
    assert soundfile.info(tmp_path / "x.wav").duration == said["duration_s"]
    run(server, "draw", "a red circle", "-o", tmp_path / "x.png", "--steps", 2)
    with PIL.Image.open(tmp_path / "x.png") as picture:
        assert picture.size == (64, 64)
