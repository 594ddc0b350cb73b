"""`qwen doctor` and `qwen pull` where something is wrong: what is named, and what to do about it."""

import json
from pathlib import Path

import pytest
import torch
from client_scripts import SCRIPTS
from command_line import qwen
from fake_triton import FakeTriton
from safetensors.torch import save_file

from qwen_server import (
    checkpoints,
    cli,  # noqa: F401 its commands
    doctor,
)
from qwen_server.address import Address


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    names = ("model-1.safetensors", "model-2.safetensors")
    for name in names:
        save_file({name: torch.zeros(100)}, folder / name)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {name: name for name in names}}))
    (folder / "config.json").write_text("{}")
    return folder


def profile(folder: Path, checkpoint: Path | str, **settings: str) -> str:
    file = folder / "mine.toml"
    more = "".join(f'{name} = "{value}"\n' for name, value in settings.items())
    file.write_text(f'[qwen3_asr]\ncheckpoint = "{checkpoint}"\n{more}')
    return str(file)


def found(name: str, checks: list[doctor.Check]) -> doctor.Check:
    return next(check for check in checks if check.name == name)


def test_a_whole_checkpoint(checkpoint: Path, tmp_path: Path) -> None:
    assert checkpoints.wrong_files(checkpoint) == []
    assert found("checkpoint of qwen3_asr", doctor.examine(profile(tmp_path, checkpoint))).ok


def cut(folder: Path) -> None:
    file = folder / "model-2.safetensors"
    file.write_bytes(file.read_bytes()[:-1])


def truncate_header(folder: Path) -> None:
    (folder / "model-2.safetensors").write_bytes(b"\x10\0\0")


def replace_by_text(folder: Path) -> None:
    (folder / "model-2.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:...\nsize 5\n")


def lose(folder: Path) -> None:
    (folder / "model-2.safetensors").unlink()


@pytest.mark.parametrize("damage", [cut, truncate_header, replace_by_text, lose])
def test_an_interrupted_download_is_noticed(damage, checkpoint: Path, tmp_path: Path) -> None:
    damage(checkpoint)
    check = found("checkpoint of qwen3_asr", doctor.examine(profile(tmp_path, checkpoint)))
    assert not check.ok
    assert check.found.startswith("model-2.safetensors is ")
    assert check.mend == f"remove {checkpoint} and pull it again"


def test_the_other_layout_of_qwen3_asr_is_named(checkpoint: Path, tmp_path: Path) -> None:
    (checkpoint / "config.json").write_text(json.dumps({"thinker_config": {}}))
    check = found("checkpoint of qwen3_asr", doctor.examine(profile(tmp_path, checkpoint)))
    assert not check.ok
    assert "ends in -hf" in check.mend


def test_a_profile_for_a_gpu_without_one(checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _: None)
    on_gpu = found("GPU", doctor.examine(profile(tmp_path, checkpoint, device="cuda")))
    assert (on_gpu.ok, "runs qwen3_asr on one" in on_gpu.found) == (False, True)
    assert "profile for the CPU" in on_gpu.mend
    assert found("GPU", doctor.examine(profile(tmp_path, checkpoint))).ok


def test_a_server_that_runs_already_is_named(checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeTriton(dict(SCRIPTS)) as server:
        monkeypatch.setattr(doctor, "Address", lambda: Address(grpc_port=server.port))
        check = found(f"port {server.port}", doctor.examine(profile(tmp_path, checkpoint)))
    assert not check.ok
    assert check.found.startswith("taken by a Triton server that serves qwen3_asr,")
    assert "--grpc-port OTHER" in check.mend


def test_pull_without_a_network_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    result = qwen("pull", profile(tmp_path, "Qwen/Qwen3-ASR-1.7B-hf@main"))
    assert result.exit_code == 1
    assert "cannot be downloaded" in result.output
    assert "Traceback" not in result.output
    for name in ("nothing here", "a/b/c"):
        result = qwen("pull", profile(tmp_path, name))
        assert (result.exit_code, "cannot be downloaded" in result.output) == (1, True)


def test_a_profile_that_is_none_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text("[qwen3_asr")
    checks = doctor.examine(str(tmp_path / "bad.toml"))
    assert not found("profile", checks).ok
