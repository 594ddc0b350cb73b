"""The folder of a running server, for its operator alone: log, admin key, and what Triton is started on."""

import fcntl
import os
from pathlib import Path
from typing import Self

from qwen_server.admin_key import AdminKey
from qwen_server.errors import ServerError
from qwen_server.home import work_folder
from qwen_server.private_files import private_folder
from qwen_server.shared_memory import Regions


class WorkFolder:
    """Held by one server from `claim` to `release`."""

    def __init__(self, path: Path, lock: int, regions: Regions, admin_key: AdminKey) -> None:
        self.path = path
        self.regions = regions
        self.admin_key = admin_key
        self._lock = lock

    @classmethod
    def claim(cls, grpc_port: int) -> Self:
        """Make the folder of the server on `grpc_port`, with a key and a name for regions of their own.

        Raises:
            ServerError: others may change it, or another server has it.
        """
        wanted = work_folder(grpc_port)
        path = private_folder(private_folder(wanted.parent) / wanted.name)
        lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(lock)
            raise ServerError(
                f"another server works in {path}; choose another --grpc-port, or XDG_STATE_HOME"
            ) from error
        admin_key = AdminKey()
        admin_key.write(path)
        return cls(path, lock, Regions.of_start(path, grpc_port), admin_key)

    def release(self) -> None:
        """The log stays."""
        self.regions.remove()
        self.admin_key.remove(self.path)
        os.close(self._lock)
