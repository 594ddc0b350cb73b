"""The four distributions as users get them: built, installed alone in fresh environments, used outside a checkout."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from qwen_client import __version__
from qwen_server.triton_process import TritonProcess

HOME = Path(__file__).resolve().parents[2]
PROJECTS = {
    "qwen-triton-client": HOME / "packages" / "client",
    "qwen-triton-gateway": HOME / "packages" / "gateway",
    "qwen-triton": HOME,
    "qwen-triton-demo": HOME / "packages" / "demo",
}
USER_PROGRAM = """\
import sys

import numpy as np

from qwen_client import Client, InvalidRequest, Speech, Transcription


def talk(client: Client, file: str) -> tuple[Transcription, Speech]:
    heard = client.asr.transcribe(file, timestamps="word")
    spoken = client.tts.synthesize(heard.text)
    spoken.save("reply.wav")
    return heard, spoken


with Client(sys.argv[1]) as client:
    heard, spoken = talk(client, sys.argv[2])
    again = client.asr.transcribe((spoken.samples, spoken.sample_rate))
    client.image.generate("a red circle", steps=2).save("circle.png")
    print(heard.text)
    try:
        spoken.save("reply.flac")
    except InvalidRequest as error:
        print(error.message)
"""


def run(*command: object, cwd: Path) -> str:
    """What a command prints, in an environment that knows of no checkout."""
    environment = {name: value for name, value in os.environ.items() if name not in ("QWEN_HOME", "PYTHONPATH")}
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Each built from its source distribution."""
    out = tmp_path_factory.mktemp("wheels")
    for folder in PROJECTS.values():
        run(sys.executable, "-m", "build", "--no-isolation", folder, "--outdir", out, cwd=out)
    found = {file.name.split("-")[0].replace("_", "-"): file for file in out.glob("*.whl")}
    assert set(found) == set(PROJECTS)
    return found


@pytest.fixture(scope="module")
def client_only(wheels: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an environment with the client's wheel and mypy."""
    folder = tmp_path_factory.mktemp("client")
    run(sys.executable, "-m", "venv", folder, cwd=folder)
    run(folder / "bin" / "pip", "install", "-q", wheels["qwen-triton-client"], "mypy", cwd=folder)
    return folder


@pytest.fixture(scope="module")
def installed(wheels: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an environment with all wheels in place of the checkout; the rest is this one's."""
    folder = tmp_path_factory.mktemp("server")
    run(sys.executable, "-m", "venv", folder, cwd=folder)
    [packages] = folder.glob("lib/python*/site-packages")
    run(folder / "bin" / "pip", "install", "-q", "--no-deps", *wheels.values(), cwd=folder)
    shared = [
        file
        for file in Path(pytest.__file__).parents[1].iterdir()
        if not file.name.startswith(("qwen_", "__editable__", "pip"))
    ]
    for file in shared:
        if not (packages / file.name).exists():
            (packages / file.name).symlink_to(file)
    return folder


def test_the_client_is_small(wheels: dict[str, Path], client_only: Path) -> None:
    assert wheels["qwen-triton-client"].stat().st_size < 1_000_000
    listed = json.loads(run(client_only / "bin" / "pip", "list", "--format=json", cwd=client_only))
    assert not {"torch", "av", "soundfile", "soxr", "transformers", "qwen-triton"} & {one["name"] for one in listed}


def test_a_user_s_program_runs_on_the_client_alone(
    client_only: Path, server: TritonProcess, audio: Path, tmp_path: Path
) -> None:
    (tmp_path / "program.py").write_text(USER_PROGRAM)
    python = client_only / "bin" / "python"
    assert "no issues" in run(python, "-m", "mypy", "--strict", "program.py", cwd=tmp_path)
    heard, missing = run(python, "program.py", server.address.grpc, audio / "message.wav", cwd=tmp_path).splitlines()
    assert heard == (audio / "message.txt").read_text().strip()
    assert "pip install 'qwen-triton-client[audio]'" in missing
    assert (tmp_path / "reply.wav").read_bytes()[:4] == b"RIFF"
    assert run(client_only / "bin" / "qwen", "--version", cwd=tmp_path) == f"qwen {__version__}\n"


def test_wheels_hold_no_compiled_files(wheels: dict[str, Path]) -> None:
    for wheel in wheels.values():
        assert not [name for name in zipfile.ZipFile(wheel).namelist() if name.endswith(".pyc")]


def test_doctor_finds_everything_outside_a_checkout(installed: Path, tmp_path: Path) -> None:
    program = "import qwen_server.home; print(qwen_server.home.project_home())"
    assert run(installed / "bin" / "python", "-c", program, cwd=tmp_path).startswith(str(installed))
    done = subprocess.run(
        [installed / "bin" / "qwen", "doctor", "--json"], cwd=tmp_path, capture_output=True, check=False
    )
    checks = json.loads(done.stdout)
    assert [check for check in checks if not check["ok"] and not check["name"].startswith("port ")] == []
    assert any(check["name"] == "checkpoint of qwen3_asr" and str(installed) in check["found"] for check in checks)


def test_pull_and_stage_work_outside_a_checkout(installed: Path, tmp_path: Path) -> None:
    qwen = installed / "bin" / "qwen"
    assert str(installed) in run(qwen, "pull", "demo", cwd=tmp_path)
    assert "workflow" in run(qwen, "stage", "demo", "--out", "models", cwd=tmp_path)


def test_demo_runs_outside_a_checkout(installed: Path, tmp_path: Path) -> None:
    """It starts a server as `qwen serve` does, and ends it."""
    steps = json.loads(run(installed / "bin" / "qwen", "demo", "--json", cwd=tmp_path))
    assert len(steps) == 3
    assert (tmp_path / "out" / "picture.png").is_file()
