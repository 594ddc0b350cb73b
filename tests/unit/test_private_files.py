"""What others could prepare in the way of a server's files: links, foreign owners, open folders."""

import os
import stat
from pathlib import Path

import pytest

from qwen_server import private_files
from qwen_server.errors import ServerError
from qwen_server.private_files import open_private, private_folder, write_private

NOBODY = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_a_folder_and_what_is_made_above_it_is_private(tmp_path, umask):
    before = os.umask(umask)
    try:
        folder = private_folder(tmp_path / "state" / "qwen" / "8001")
    finally:
        os.umask(before)
    assert [mode(one) for one in (folder, folder.parent, folder.parent.parent)] == [0o700] * 3


def test_one_that_is_there_is_closed_and_keeps_its_files(tmp_path):
    (tmp_path / "qwen").mkdir(mode=0o755)
    (tmp_path / "qwen" / "triton.log").write_text("earlier")
    assert mode(private_folder(tmp_path / "qwen")) == 0o700
    assert (tmp_path / "qwen" / "triton.log").read_text() == "earlier"


def test_a_link_or_a_file_in_its_place_is_refused(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    (tmp_path / "file").touch()
    for name in ("link", "dangling", "file"):
        with pytest.raises(ServerError, match=f"{tmp_path / name}"):
            private_folder(tmp_path / name)
    assert mode(tmp_path / "elsewhere") == 0o755
    assert not (tmp_path / "nowhere").exists()


def test_a_link_above_it_may_be(tmp_path):
    """As /home may be a link: what counts is who can change the folders that it leads to."""
    (tmp_path / "disk").mkdir()
    (tmp_path / "home").symlink_to(tmp_path / "disk")
    assert private_folder(tmp_path / "home" / "qwen") == tmp_path / "disk" / "qwen"


def test_a_folder_in_which_others_may_exchange_it_is_refused(tmp_path):
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    with pytest.raises(ServerError, match=r"others may write to .*/open"):
        private_folder(tmp_path / "open" / "qwen")
    (tmp_path / "open").chmod(0o1777)  # as /tmp: names in it belong to who made them
    assert mode(private_folder(tmp_path / "open" / "qwen")) == 0o700


@as_root
def test_what_belongs_to_somebody_else_is_refused(tmp_path):
    (tmp_path / "theirs").mkdir()
    os.chown(tmp_path / "theirs", NOBODY, NOBODY)
    with pytest.raises(ServerError, match="not yours"):
        private_folder(tmp_path / "theirs")
    with pytest.raises(ServerError, match=f"belongs to user {NOBODY}"):
        private_folder(tmp_path / "theirs" / "qwen")


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ServerError, match="cannot be made or used"):
        private_folder(tmp_path / "file" / "qwen")


@pytest.mark.parametrize("umask", [0o000, 0o022])
def test_a_file_is_private_and_written_anew(tmp_path, umask):
    before = os.umask(umask)
    try:
        write_private(tmp_path / "key", "a longer one")
        (tmp_path / "key").chmod(0o644)
        write_private(tmp_path / "key", "secret")
    finally:
        os.umask(before)
    assert (mode(tmp_path / "key"), (tmp_path / "key").read_text()) == (0o600, "secret")


def test_no_file_is_written_through_a_link_or_a_second_name(tmp_path):
    mine = tmp_path / "mine"
    mine.write_text("precious")
    (tmp_path / "link").symlink_to(mine)
    os.link(mine, tmp_path / "second")
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "second", "pipe"):
        with pytest.raises(ServerError, match=f"{tmp_path / name}"):
            open_private(tmp_path / name)
    assert mine.read_text() == "precious"


@as_root
def test_no_file_of_somebody_else_is_written(tmp_path):
    (tmp_path / "theirs").touch()
    os.chown(tmp_path / "theirs", NOBODY, NOBODY)
    with pytest.raises(ServerError, match="not yours"):
        open_private(tmp_path / "theirs")


def test_descriptors_do_not_leak_to_programs(tmp_path):
    descriptor = private_files.open_private(tmp_path / "key")
    assert not os.get_inheritable(descriptor)
    os.close(descriptor)
