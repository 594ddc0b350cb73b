"""Folders and files that no other user of this machine can read, prepare or exchange."""

import os
import stat
from pathlib import Path

from qwen_server.errors import ServerError

FOLDER_MODE = 0o700
FILE_MODE = 0o600
NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def make_folders(path: Path) -> None:
    """`path` and what is missing above it; what is made is for this user alone."""
    for folder in (*reversed(path.parents), path):
        folder.mkdir(mode=FOLDER_MODE, exist_ok=True)


def private_folder(path: Path) -> Path:
    """Make `path`, and what is missing above it, for this user alone.

    Raises:
        ServerError: it is a link, somebody else's, or below a folder in which others may exchange it.
    """
    try:
        make_folders(path.parent)
        path = path.parent.resolve() / path.name
        for folder in path.parents:
            _refuse_changeable(folder)
        path.mkdir(mode=FOLDER_MODE, exist_ok=True)
        found = path.lstat()
    except OSError as error:
        raise ServerError(f"the folder {path} cannot be made or used: {error.strerror}") from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise ServerError(f"{path} is a link, no folder, or not yours; remove it, it may be somebody's trap")
    path.chmod(FOLDER_MODE)
    return path


def _refuse_changeable(folder: Path) -> None:
    found = folder.stat()
    if found.st_uid not in (0, os.geteuid()):
        raise ServerError(f"{folder} belongs to user {found.st_uid}, who could exchange what is in it; use another one")
    shared = found.st_mode & stat.S_IWOTH or (found.st_mode & stat.S_IWGRP and found.st_gid not in (0, os.getegid()))
    if shared and not found.st_mode & stat.S_ISVTX:
        raise ServerError(f"others may write to {folder} and exchange what is in it; chmod go-w, or use another one")


def open_private(path: Path) -> int:
    """A file descriptor to write `path` anew, which only this user can read.

    Raises:
        ServerError: it is a link, no plain file, has a second name, is somebody else's, or cannot be written.
    """
    try:
        descriptor = os.open(path, NEW_FILE, FILE_MODE)
    except OSError as error:
        raise ServerError(f"{path} cannot be written: {error.strerror} (links are not followed)") from error
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid() or found.st_nlink != 1:
        os.close(descriptor)
        raise ServerError(f"{path} is no plain file, has a second name, or is not yours; use another one")
    os.fchmod(descriptor, FILE_MODE)
    os.ftruncate(descriptor, 0)
    return descriptor


def write_private(path: Path, content: str) -> None:
    """`content` in a file that only this user can read; `ServerError` as `open_private`."""
    with os.fdopen(open_private(path), "w") as file:
        file.write(content)
