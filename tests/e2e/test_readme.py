"""Every command of the README runs."""

import base64
import json
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from qwen_server.profiles import load_profile
from qwen_server.triton_process import port_is_taken
from tests.pages import HOME, NOT_RUN, at_server, blocks
from tests.proxies import DEAD_PROXIES

BLOCKS = blocks(HOME / "README.md")
SHELL = [block for block in BLOCKS if block.language == "bash"]
COMMANDS = [line for block in SHELL if not block.title for line in block.text.splitlines()]
GPU_COMMANDS = [line for block in SHELL if block.title == "needs a GPU" for line in block.text.splitlines()]
PYTHON = [block.text for block in BLOCKS if block.language == "python"]


@pytest.fixture(autouse=True)
def _in_the_project(monkeypatch):
    monkeypatch.chdir(HOME)
    (HOME / "out").mkdir(exist_ok=True)


def test_the_readme_has_the_examples_it_should():
    assert COMMANDS[:3] == ["make demo", "make serve", "make test"]
    assert [("OpenAI(base_url" in text, "Client(" in text) for text in PYTHON] == [(False, True), (True, False)]
    assert sum("curl -s" in command for command in COMMANDS) == 5
    assert len(GPU_COMMANDS) == 2
    assert {block.title for block in BLOCKS if block.title} <= set(NOT_RUN)


@pytest.mark.parametrize("command", [line for line in COMMANDS if not line.startswith("make") and "doctor" not in line])
def test_command(server, gateway, command):
    """Also where the environment has proxies, which are not for this machine."""
    environment = {**os.environ, **DEAD_PROXIES, "QWEN_URL": server.address.grpc}
    done = subprocess.run(
        ["bash", "-c", at_server(command, server, gateway)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert '"error"' not in done.stdout
    if not re.search(r"-o \S+", command):
        assert done.stdout.strip()


def test_the_recipe_for_a_recording_takes_a_long_one(server, tmp_path):
    """13 MB of JSON: more than Triton 2.51 survives as the form that curl would call it."""
    [recipe] = [command for command in COMMANDS if "qwen3_asr/generate" in command]
    samples, rate_hz = soundfile.read("demo/audio/message.wav", dtype="int16")
    silence = np.zeros(5 * 2**20 - len(samples), np.int16)
    soundfile.write(tmp_path / "long.wav", np.concatenate([samples, silence]), rate_hz)
    command = at_server(recipe, server).replace("demo/audio/message.wav", str(tmp_path / "long.wav"))
    assert len(base64.b64encode((tmp_path / "long.wav").read_bytes())) > 13e6
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=300, check=True)
    assert json.loads(done.stdout)["TEXT"] == Path("demo/audio/message.txt").read_text().strip()


DOCUMENTS = sorted(file for file in HOME.rglob("*.md") if not any(part.startswith(".") for part in file.parts))
LINES = [line for file in DOCUMENTS for line in file.read_text().replace("\\\n", " ").splitlines()]
CURLS = [line for line in LINES if re.search(r"(^|\| )curl ", line)]


@pytest.mark.parametrize("recipe", CURLS)
def test_every_recipe_names_its_content_type_and_goes_by_no_proxy(recipe):
    assert len(CURLS) > 8
    assert "--noproxy '*'" in recipe
    assert " -d " not in recipe or "-H 'Content-Type: application/json'" in recipe


@pytest.mark.parametrize(("number", "told"), [(0, "English"), (1, "Good morning everyone.")])
def test_python(server, gateway, number, told):
    """OpenAI's client goes by the environment's proxies, so it is told that there are none for this machine."""
    done = subprocess.run(
        [sys.executable, "-c", at_server(PYTHON[number], server, gateway)],
        env={**os.environ, **DEAD_PROXIES, **({"no_proxy": "127.0.0.1"} if number else {})},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert told in done.stdout


def make(target: str, **options) -> subprocess.Popen[str]:
    environment = {**os.environ, "COLUMNS": "200"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(["make", target], env=environment, text=True, **pipes, **options)


def test_make_demo():
    for name in ("picture.png", "reply.wav"):
        (HOME / "out" / name).unlink(missing_ok=True)
    output, complaint = make("demo").communicate(timeout=300)
    assert (HOME / "out" / "picture.png").stat().st_size > 100, complaint
    assert (HOME / "out" / "reply.wav").stat().st_size > 20_000
    assert "demo/checkpoints/asr" in output
    assert "closed vocabulary" in output


def test_make_serve_until_ctrl_c():
    taken = [port for port in (8000, 8001, 8002) if port_is_taken("127.0.0.1", port)]
    process = make("serve", start_new_session=True)
    if taken:
        _, complaint = process.communicate(timeout=60)
        assert "is taken; choose another" in complaint
        return
    lines = iter(process.stderr)
    assert any(line.startswith("ready:") for line in lines)
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=90)
    assert not port_is_taken("127.0.0.1", 8001)


def test_make_test_is_what_ci_runs():
    assert "make test" in (HOME / ".ci" / "run").read_text()
    planned = subprocess.run(["make", "-n", "test"], capture_output=True, text=True, timeout=60, check=True).stdout
    assert "pytest" in planned


@pytest.mark.parametrize("command", GPU_COMMANDS)
def test_gpu_command_is_well_formed(command):
    """Without a GPU and a hub they cannot run to their end: the command exists and its profile loads."""
    from qwen_server.cli import app

    words = shlex.split(command)
    assert load_profile(words[-1]).models
    assert CliRunner().invoke(app, [words[1], "--help"]).exit_code == 0
