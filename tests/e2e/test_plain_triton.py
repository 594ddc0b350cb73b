"""Repositories of ours on tritonserver as others start it: without `qwen serve`."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from qwen_client import Client
from qwen_server.address import Address
from qwen_server.child import kill_group
from qwen_server.installation import find_triton
from tests.waiting import until

HOME = Path(__file__).resolve().parents[2]
QWEN = Path(sys.prefix) / "bin" / "qwen"
START_TIMEOUT_S = 300
PART = ("qwen3_asr", "qwen_image", "spoken_image", "chart_image", "workflow")
SPEECH = """\
[qwen3_asr]
checkpoint = "demo/checkpoints/asr"
[chart_image]
[chains]
"""


@contextmanager
def triton(repository: Path, address: Address, work: Path) -> Iterator[None]:
    """tritonserver on `repository` alone, until all of it is ready."""
    found = find_triton(work)
    ports = [f"--{name}-port={getattr(address, f'{name}_port')}" for name in ("http", "grpc", "metrics")]
    hosts = [f"--{name}-address={address.host}" for name in ("http", "grpc", "metrics")]
    command = [
        found.binary,
        f"--backend-directory={found.backends}",
        f"--model-repository={repository}",
        *ports,
        *hosts,
    ]
    log = work / "triton.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env=found.environment(), cwd=work, stdout=output, stderr=output, start_new_session=True
        )
    try:
        until(lambda: process.poll() is not None or is_ready(address), START_TIMEOUT_S)
        assert process.poll() is None, log.read_text()
        yield
    finally:
        process.terminate()
        process.wait(60)
        kill_group(process.pid)


def is_ready(address: Address) -> bool:
    try:
        return address.ask("/v2/health/ready")[0] == 200
    except OSError:
        return False


def test_the_committed_repository_serves_the_demo_checkpoints(tmp_path: Path, audio: Path) -> None:
    """A part of it, for all of it takes minutes to load; the unit tests have the settings of the rest."""
    repository, address = tmp_path / "repository", Address.free()
    repository.mkdir()
    for name in PART:
        (repository / name).symlink_to(HOME / "model_repository" / name)
    with triton(repository, address, tmp_path), Client(address.grpc) as client:
        health = client.health()
        assert {name for name, ready in health.models.items() if ready} == set(PART)
        assert client.asr.transcribe(audio / "message.wav").text == (audio / "message.txt").read_text().strip()
        assert client.chains.spoken_image(audio / "request.wav").heard


def test_a_staged_repository_serves_its_profile_and_chains(tmp_path: Path, audio: Path) -> None:
    profile, out, address = tmp_path / "speech.toml", tmp_path / "repository", Address.free()
    profile.write_text(SPEECH)
    command = [QWEN, "stage", profile, "--out", out, "--grpc-address", address.grpc]
    staged = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True)
    assert staged.stdout.split() == ["qwen3_asr", "chart_image", "workflow"]
    graph = {
        "inputs": {"audio": {"type": "bytes"}},
        "nodes": {"heard": {"model": "qwen3_asr", "inputs": {"AUDIO": "$inputs.audio"}}},
        "outputs": {"text": "$heard.TEXT"},
    }
    with triton(out, address, tmp_path), Client(address.grpc) as client:
        made = client.chains.run(graph, {"audio": audio / "message.wav"})
        assert made.outputs["text"] == (audio / "message.txt").read_text().strip()
