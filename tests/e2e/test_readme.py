"""Every command of the README runs."""

import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from qwen_server.profiles import load_profile
from qwen_server.triton_process import port_is_taken

HOME = Path(__file__).resolve().parents[2]
BLOCKS = re.findall(r"^```(bash|python)\n(.*?)^```", (HOME / "README.md").read_text(), re.DOTALL | re.MULTILINE)
NEEDS_GPU = "# needs a GPU\n"
SHELL = [text for language, text in BLOCKS if language == "bash"]
COMMANDS = [line for text in SHELL if not text.startswith(NEEDS_GPU) for line in text.splitlines()]
GPU_COMMANDS = [line for text in SHELL if text.startswith(NEEDS_GPU) for line in text.splitlines()[1:]]
PYTHON = [text for language, text in BLOCKS if language == "python"]


def here(text: str, server) -> str:
    """The README's addresses replaced by the test server's."""
    address = server.address
    return text.replace("127.0.0.1:8000", address.http.removeprefix("http://")).replace("127.0.0.1:8001", address.grpc)


@pytest.fixture(autouse=True)
def _in_the_project(monkeypatch):
    monkeypatch.chdir(HOME)
    (HOME / "out").mkdir(exist_ok=True)


def test_the_readme_has_the_examples_it_should():
    assert COMMANDS[:3] == ["make demo", "make serve", "make test"]
    assert len(PYTHON) == 1
    assert sum("curl -s" in command for command in COMMANDS) == 3
    assert len(GPU_COMMANDS) == 2


@pytest.mark.parametrize("command", [line for line in COMMANDS if not line.startswith("make") and "doctor" not in line])
def test_command(server, command):
    environment = {**os.environ, "QWEN_URL": server.address.grpc}
    done = subprocess.run(
        ["bash", "-c", here(command, server)], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert '"error"' not in done.stdout
    if not re.search(r"-o \S+", command):
        assert done.stdout.strip()


def test_python(server):
    done = subprocess.run(
        [sys.executable, "-c", here(PYTHON[0], server)], capture_output=True, text=True, timeout=180, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "English" in done.stdout


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
    assert load_profile(words[-1]).models()
    assert CliRunner().invoke(app, [words[1], "--help"]).exit_code == 0
