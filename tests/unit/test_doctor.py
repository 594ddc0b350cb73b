"""`qwen doctor` and `qwen pull` where something is wrong: what is named, and what to do about it."""

import hashlib
import json
import re
from pathlib import Path

import pytest
import torch
from client_scripts import SCRIPTS
from command_line import qwen
from fake_triton import FakeTriton
from safetensors.torch import save_file

from qwen_server import (
    cli,  # noqa: F401 its commands
    doctor,
)
from qwen_server.address import Address
from qwen_server.checkpoint_files import damaged_files
from qwen_server.home import project_home

NAME = "Qwen/Qwen3-ASR-1.7B-hf"
REVISION = "bcd2b5b7f32b480ab5790554cfa8347f246a14f3"


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
    assert damaged_files(checkpoint) == {}
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
    assert check.mend.startswith("copy the folder again")


def cached(folder: Path, files: Path) -> Path:
    """A Hugging Face cache that holds the checkpoint of `files`; its snapshot."""
    home = folder / "hub" / f"models--{NAME.replace('/', '--')}"
    snapshot = home / "snapshots" / REVISION
    snapshot.mkdir(parents=True)
    (home / "blobs").mkdir()
    for file in files.iterdir():
        content = file.read_bytes()
        as_git = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False)
        digest = as_git if file.suffix == ".json" else hashlib.sha256(content)
        blob = home / "blobs" / digest.hexdigest()
        blob.write_bytes(content)
        (snapshot / file.name).symlink_to(blob)
    return snapshot


@pytest.fixture
def hub(checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The snapshot of a checkpoint in the cache, on a machine without a network."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    return cached(tmp_path, checkpoint)


@pytest.mark.parametrize("name", ["model-2.safetensors", "config.json"])
def test_a_file_of_the_cache_with_another_hash(name: str, hub: Path, tmp_path: Path) -> None:
    mine = profile(tmp_path, f"{NAME}@{REVISION}")
    assert found("checkpoint of qwen3_asr", doctor.examine(mine)).ok
    content = bytearray((hub / name).read_bytes())
    content[-1] ^= 1
    (hub / name).resolve().write_bytes(content)
    check = found("checkpoint of qwen3_asr", doctor.examine(mine))
    assert (check.ok, check.mend) == (False, f"qwen pull {mine}")
    assert check.found.startswith(f"{name} ")


def test_pull_downloads_damaged_files_again(hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = (hub / "model-1.safetensors").read_bytes()
    (hub / "model-1.safetensors").resolve().write_bytes(whole[:-1] + b"x")
    asked = []

    def download(name: str, revision: str | None, *, local_files_only: bool) -> str:
        asked.append((name, revision))
        if not (hub / "model-1.safetensors").exists():
            blob = hub.parents[1] / "blobs" / hashlib.sha256(whole).hexdigest()
            blob.write_bytes(whole)
            (hub / "model-1.safetensors").symlink_to(blob)
        return str(hub)

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    result = qwen("pull", profile(tmp_path, f"{NAME}@{REVISION}"))
    assert (result.exit_code, asked) == (0, [(NAME, REVISION)] * 2)
    assert damaged_files(hub) == {}


def test_a_picture_checkpoint_needs_the_weights_of_its_components(tmp_path: Path) -> None:
    index = {"_class_name": "QwenImagePipeline", "scheduler": ["d", "S"], "vae": ["d", "V"], "processor": [None, None]}
    (tmp_path / "model_index.json").write_text(json.dumps(index))
    (tmp_path / "vae").mkdir()
    (tmp_path / "vae" / "config.json").write_text("{}")
    missing = {file.relative_to(tmp_path).as_posix() for file in damaged_files(tmp_path)}
    assert missing == {"scheduler", "vae/model.safetensors"}


def test_a_demo_checkpoint_that_is_not_installed(tmp_path: Path) -> None:
    check = found("checkpoint of qwen3_asr", doctor.examine(profile(tmp_path, "demo/checkpoints/none")))
    assert (check.ok, "qwen-triton-demo" in check.mend) == (False, True)


def test_a_check_that_fails_leaves_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QWEN_HOME", str(tmp_path / "nowhere"))
    checks = doctor.examine("demo")
    assert found("disk", checks).found.startswith("not checked: no model_repository in ")
    assert found("Python", checks).ok


@pytest.mark.parametrize("name", ["chains-80gb", "gpu-24gb", "gpu-80gb", "talk-24gb"])
def test_profiles_pin_what_they_were_written_for(name: str) -> None:
    text = (project_home() / "profiles" / f"{name}.toml").read_text()
    named = re.findall(r'checkpoint = "([^"]*)"', text)
    assert named
    assert [one for one in named if not re.fullmatch(r"Qwen/[\w.-]+@[0-9a-f]{40}", one)] == []


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
