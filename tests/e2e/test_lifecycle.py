"""`qwen serve` as an operator runs it: starts or says why not, ends cleanly, leaves nothing behind."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import psutil
import pytest

from qwen_client import Client, Unavailable
from qwen_server.address import free_port
from qwen_server.admin_key import AdminKey
from qwen_server.errors import ServerError
from qwen_server.home import work_folder
from qwen_server.triton_process import Address
from tests.loading import load, unload
from tests.proxies import DEAD_PROXIES

HOME = Path(__file__).resolve().parents[2]
QWEN = Path(sys.prefix) / "bin" / "qwen"
START_TIMEOUT_S = 180
NOBODY = 65534
VERTEX_AI = {"AIP_MODE": "PREDICTION"}  # by which Triton would open a port more, without restrictions
SPEECH_ONLY = '[qwen3_asr]\ncheckpoint = "demo/checkpoints/asr"\nmax_batch = 1\n'


class Serve:
    """A `qwen serve` process of its own."""

    def __init__(self, profile: Path, address: Address) -> None:
        self.address = address
        ports = [f"--{name}-port={getattr(address, f'{name}_port')}" for name in ("http", "grpc", "metrics")]
        self.gateway_port = free_port()
        command = [QWEN, "serve", "--profile", str(profile), *ports, f"--port={self.gateway_port}"]
        environment = {**os.environ, **DEAD_PROXIES, **VERTEX_AI}
        self.process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)

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

    def regions(self) -> list[Path]:
        return list(Path("/dev/shm").glob(f"qwen-{self.address.grpc_port}-*"))


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
    assert serve.regions()
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
    assert serve.regions() == []


def test_a_killed_supervisor_leaves_no_orphans(serve):
    family = serve.family()
    serve.process.send_signal(signal.SIGKILL)
    assert ended(family)


def open_to_others(files: Iterable[Path]) -> str:
    """Those that the user `nobody` can read."""
    script = 'for file; do head -c 1 "$file" >/dev/null 2>&1 && echo "$file"; done; exit 0'
    command = ["/bin/sh", "-c", script, "sh", *map(str, files)]
    done = subprocess.run(
        command, user=NOBODY, group=NOBODY, extra_groups=[], capture_output=True, text=True, check=True
    )
    return done.stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_another_user_of_this_machine_gets_nothing(serve):
    """Neither key nor sound: no file of the server, no region, not that of a model that is loaded again."""
    [triton] = [process for process in serve.family() if process.name() == "tritonserver"]
    folder = work_folder(serve.address.grpc_port)
    files = [folder / "admin-key", folder / "triton.log", Path(f"/proc/{triton.pid}/environ")]
    readable = Path(f"/proc/{triton.pid}/cmdline")
    assert len(serve.regions()) == 1
    assert open_to_others([*files, *serve.regions(), readable]) == f"{readable}\n"

    unload(serve, "qwen3_asr")
    load(serve, "qwen3_asr")
    deadline_s = time.monotonic() + 60
    while open_to_others(serve.regions()) and time.monotonic() < deadline_s:
        pass
    assert len(serve.regions()) == 1
    assert open_to_others(serve.regions()) == ""


def test_each_start_has_a_key_of_its_own(serve):
    first = AdminKey.of_server(serve.address.grpc_port)
    serve.process.terminate()
    assert serve.process.wait(60) == 0
    with pytest.raises(ServerError, match=f"no server of yours is on gRPC port {serve.address.grpc_port}"):
        AdminKey.of_server(serve.address.grpc_port)
    assert len(first.secret) == 64


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
    ports = [f"--{name}-port={getattr(address, f'{name}_port')}" for name in ("http", "grpc", "metrics")]
    return [*ports, f"--port={free_port()}"]


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


def test_a_log_that_leads_elsewhere_ends_the_start(tmp_path):
    (tmp_path / "log").symlink_to(tmp_path / "mine")
    done = run("serve", *free_ports(), "--log-file", tmp_path / "log")
    assert done.returncode == 1
    assert f"{tmp_path / 'log'} cannot be written" in done.stderr
    assert not (tmp_path / "mine").exists()


def test_a_folder_that_others_may_change_ends_the_start(tmp_path):
    (tmp_path / "state").mkdir()
    (tmp_path / "state").chmod(0o777)
    done = run("serve", *free_ports(), XDG_STATE_HOME=str(tmp_path / "state"))
    assert done.returncode == 1
    assert "others may write to" in done.stderr


def test_a_bad_profile_ends_the_start(tmp_path):
    profile = tmp_path / "bad.toml"
    profile.write_text('[qwen3_asr]\ncheckpoint = "x"\nbatch = 1\n')
    done = run("serve", "--profile", profile)
    assert done.returncode == 1
    assert "bad.toml: qwen3_asr.batch = '1'" in done.stderr


def test_a_checkpoint_that_is_not_there_names_the_remedy(tmp_path):
    done = run("serve", "--profile", "gpu-24gb", HF_HOME=str(tmp_path))
    assert done.returncode == 1
    assert "' is neither a folder nor in the Hugging Face cache; run `qwen pull" in done.stderr


def test_doctor_finds_this_machine_fit():
    done = run("doctor", "--json", **DEAD_PROXIES)
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


def test_what_takes_a_lot_of_stack_is_answered(serve):
    """With the usual 8 MB for a thread, each of these ends Triton 2.51. The server is this test's own."""
    path, form = "/v2/models/qwen3_asr/generate", {"Content-Type": "application/x-www-form-urlencoded"}
    long = json.dumps({"AUDIO": "x" * 13_000_000, "OPTIONS": "{}"}).encode()
    assert serve.address.ask(path, long, form, timeout_s=60)[0] == 400
    status, answer = serve.address.ask(path, b"[" * 200_000, {"Content-Type": "application/json"}, timeout_s=60)
    assert (status, b"failed to parse" in answer) == (500, True)
    assert serve.address.ask("/v2/health/ready")[0] == 200
    assert serve.process.poll() is None
