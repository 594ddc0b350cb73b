"""The folder of a running server: one server's alone, and nothing of it is left behind or anybody else's."""

import os
import resource
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from qwen_server import shared_memory
from qwen_server.admin_key import AdminKey
from qwen_server.child import STACK_BYTES, prepare_child
from qwen_server.errors import ServerError
from qwen_server.home import work_folder
from qwen_server.work_folder import WorkFolder

PORT = 61234


@pytest.fixture(autouse=True)
def regions_folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "shm").mkdir()
    monkeypatch.setattr(shared_memory, "FOLDER", tmp_path / "shm")
    return tmp_path / "shm"


def test_each_claim_has_a_key_and_a_prefix_of_its_own():
    seen = set()
    for _ in range(3):
        folder = WorkFolder.claim(PORT)
        assert AdminKey.of_server(PORT) == folder.admin_key
        seen |= {folder.admin_key.secret, folder.regions.prefix}
        folder.release()
        with pytest.raises(ServerError, match="no server of yours is on gRPC port 61234"):
            AdminKey.of_server(PORT)
    assert len(seen) == 6


def test_two_servers_cannot_have_one_folder():
    folder = WorkFolder.claim(PORT)
    with pytest.raises(ServerError, match=r"another server works in .*/qwen/61234"):
        WorkFolder.claim(PORT)
    assert AdminKey.of_server(PORT) == folder.admin_key
    folder.release()
    WorkFolder.claim(PORT).release()


def test_regions_of_the_server_are_closed_and_removed_and_no_others(regions_folder):
    folder = WorkFolder.claim(PORT)
    own, other = (
        regions_folder / f"{folder.regions.prefix}model",
        regions_folder / f"qwen-{PORT}-0123456789abcdef-model",
    )
    for region in (own, other):
        region.touch(0o644)
    folder.regions.hide()
    assert [stat.S_IMODE(region.stat().st_mode) for region in (own, other)] == [0o600, 0o644]
    folder.release()
    assert (own.exists(), other.exists()) == (False, True)


def test_what_a_killed_server_left_is_removed_by_the_next(regions_folder):
    killed = WorkFolder.claim(PORT)
    left, other = regions_folder / f"{killed.regions.prefix}model", regions_folder / f"qwen-{PORT}-another"
    left.touch()
    other.touch()
    os.close(killed._lock)  # as the kernel does when a process ends
    WorkFolder.claim(PORT).release()
    assert (left.exists(), other.exists()) == (False, True)


@pytest.mark.parametrize("state", ["relative/state", ""])
def test_a_state_home_that_is_no_absolute_path_is_not_one(monkeypatch, state):
    monkeypatch.setenv("XDG_STATE_HOME", state)
    monkeypatch.setenv("HOME", "/home/somebody")
    assert work_folder(8001) == Path("/home/somebody/.local/state/qwen/8001")


def test_the_child_has_a_large_stack_and_writes_for_itself_alone(tmp_path):
    code = "import os, resource; print(resource.getrlimit(resource.RLIMIT_STACK)[0]); open('file', 'w')"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, preexec_fn=prepare_child, cwd=tmp_path, capture_output=True, text=True, check=True)
    _, most = resource.getrlimit(resource.RLIMIT_STACK)
    assert int(done.stdout) == (STACK_BYTES if most == resource.RLIM_INFINITY else min(STACK_BYTES, most))
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o600
