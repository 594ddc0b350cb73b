"""`qwen serve` as an operator runs it: starts or says why not, ends cleanly, leaves nothing behind."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from qwen_client import Client, Unavailable
from qwen_server.triton_process import Address

HOME = Path(__file__).resolve().parents[2]
QWEN = Path(sys.prefix) / "bin" / "qwen"
START_TIMEOUT_S = 180
SPEECH_ONLY = '[qwen3_asr]\ncheckpoint = "demo/checkpoints/asr"\nmax_batch = 1\n'


class Serve:
    """A `qwen serve` process of its own."""

    def __init__(self, profile: Path, address: Address) -> None:
        self.address = address
        ports = [f"--{name}-port={getattr(address, f'{name}_port')}" for name in ("http", "grpc", "metrics")]
        self.process = subprocess.Popen(
            [QWEN, "serve", "--profile", str(profile), *ports], stderr=subprocess.PIPE, text=True
        )

    def wait_ready(self) -> None:
        lines: list[str] = []
        timer = threading.Timer(START_TIMEOUT_S, self.process.kill)
        timer.start()
        for line in self.process.stderr:
            lines.append(line)
            if line.startswith("ready:"):
                timer.cancel()
                return
        raise AssertionError("".join(lines))

    def family(self) -> list[psutil.Process]:
        return [psutil.Process(self.process.pid), *psutil.Process(self.process.pid).children(recursive=True)]

    def leftovers(self) -> list[str]:
        return [path.name for path in Path("/dev/shm").glob(f"qwen-{self.address.grpc_port}-*")]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    profile = tmp_path / "speech.toml"
    profile.write_text(SPEECH_ONLY)
    server = Serve(profile, Address.free())
    try:
        server.wait_ready()
        yield server
    finally:
        if server.process.poll() is None:
            server.process.terminate()
        server.process.communicate(timeout=60)


def ended(processes: list[psutil.Process]) -> bool:
    _, alive = psutil.wait_procs(processes, timeout=60)
    return not alive


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_a_signal_ends_it_after_the_requests_in_flight(serve, audio, number):
    family = serve.family()
    assert len(family) >= 3  # supervisor, Triton, stub
    assert serve.leftovers()
    with Client(serve.address.grpc) as client:
        expected = (audio / "message.txt").read_text().strip()
        assert client.asr.transcribe(audio / "message.wav").text == expected
        answers: list[object] = []

        def listen() -> None:
            try:
                answers.append(client.asr.transcribe(audio / "message.wav").text)
            except Unavailable as error:
                answers.append(error)

        listeners = [threading.Thread(target=listen) for _ in range(12)]
        for listener in listeners:
            listener.start()
        while not answers:  # the first answer is there, the others wait or run
            listeners[0].join(0.01)
        serve.process.send_signal(number)
        for listener in listeners:
            listener.join(60)
    assert serve.process.wait(60) == 0
    assert len(answers) == len(listeners)
    assert [answer for answer in answers if answer != expected and not isinstance(answer, Unavailable)] == []
    assert answers.count(expected) >= 2
    assert ended(family)
    assert serve.leftovers() == []


def test_a_killed_supervisor_leaves_no_orphans(serve):
    family = serve.family()
    serve.process.send_signal(signal.SIGKILL)
    assert ended(family)


def run(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [QWEN, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=START_TIMEOUT_S,
        env={**os.environ, "COLUMNS": "1000", **environment},
        check=False,
    )


def free_ports() -> list[str]:
    address = Address.free()
    return [f"--{name}-port={getattr(address, f'{name}_port')}" for name in ("http", "grpc", "metrics")]


def test_a_taken_port_is_named():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run("serve", *free_ports(), f"--http-port={port}")
    assert done.returncode == 1
    assert f"port {port} on 127.0.0.1 is taken; choose another with --http-port" in done.stderr


def test_a_model_that_cannot_load_ends_the_start_with_its_own_message(tmp_path):
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "config.json").write_text("{}")
    profile = tmp_path / "broken.toml"
    profile.write_text(f'[qwen3_asr]\ncheckpoint = "{tmp_path / "broken"}"\n')
    done = run("serve", "--profile", profile, *free_ports())
    assert done.returncode == 1
    assert "model qwen3_asr:" in done.stderr
    assert "broken" in done.stderr


def test_a_bad_profile_ends_the_start(tmp_path):
    profile = tmp_path / "bad.toml"
    profile.write_text('[qwen3_asr]\ncheckpoint = "x"\nbatch = 1\n')
    done = run("serve", "--profile", profile)
    assert done.returncode == 1
    assert "bad.toml: qwen3_asr.batch = '1'" in done.stderr


def test_a_checkpoint_that_is_not_there_names_the_remedy(tmp_path):
    done = run("serve", "--profile", "gpu-24gb", HF_HOME=str(tmp_path))
    assert done.returncode == 1
    assert "'Qwen/Qwen3-ASR-1.7B-hf' is neither a folder nor in the Hugging Face cache; run `qwen pull" in done.stderr


def test_doctor_finds_this_machine_fit():
    done = run("doctor", "--json")
    checks = json.loads(done.stdout)
    wrong = [check for check in checks if not check["ok"] and not check["name"].startswith("port")]
    assert wrong == []
    names = {check["name"] for check in checks}
    assert {"Python", "libpython", "numpy", "Triton and stub", "shared memory", "disk", "GPU", "port 8000"} <= names
    assert {f"checkpoint of {name}" for name in ("qwen3_asr", "qwen3_tts", "qwen_image")} <= names
    assert all(check["mend"] for check in checks if check["name"] != "GPU")


def test_doctor_notices_a_changed_checkpoint(tmp_path):
    import shutil

    copy = tmp_path / "checkpoints"
    shutil.copytree(HOME / "demo" / "checkpoints" / "asr", copy / "asr")
    shutil.copy(HOME / "demo" / "checkpoints" / "manifest.json", copy)
    with (copy / "asr" / "config.json").open("a") as file:
        file.write("\n")
    profile = tmp_path / "mine.toml"
    profile.write_text(f'[qwen3_asr]\ncheckpoint = "{copy / "asr"}"\n')
    done = run("doctor", "--json", "--profile", profile)
    assert done.returncode == 1
    check = {check["name"]: check for check in json.loads(done.stdout)}["checkpoint of qwen3_asr"]
    assert not check["ok"]
    assert "config.json" in check["found"]
