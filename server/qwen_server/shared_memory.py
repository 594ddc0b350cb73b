"""The shared-memory regions of one server, in which Triton and its models exchange tensors."""

import secrets
from pathlib import Path

from qwen_server.private_files import FILE_MODE, write_private

FOLDER = Path("/dev/shm")
TOKEN_BYTES = 8
RECORD = "regions"  # in the server's work folder: the prefix of its regions


class Regions:
    """Those whose names begin with `prefix`, which nobody can guess, so that all of them are the server's own."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix

    @classmethod
    def of_start(cls, work_folder: Path, grpc_port: int) -> "Regions":
        """For a start of a server. What an earlier one could not remove, because it was killed, is removed."""
        record = work_folder / RECORD
        if record.exists():
            cls(record.read_text()).remove()
        prefix = f"qwen-{grpc_port}-{secrets.token_hex(TOKEN_BYTES)}-"
        write_private(record, prefix)
        return cls(prefix)

    def hide(self) -> None:
        """Close them to other users: Triton makes them readable for all, whatever its umask."""
        for region in self._all():
            try:
                region.chmod(FILE_MODE)
            except FileNotFoundError:  # its model has just ended
                continue

    def remove(self) -> None:
        """Remove what was left behind."""
        for region in self._all():
            region.unlink(missing_ok=True)

    def _all(self) -> list[Path]:
        return list(FOLDER.glob(f"{self.prefix}*")) if self.prefix else []
