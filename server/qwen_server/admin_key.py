"""The key to Triton's own doors: what can change the server, or tells of its inside, is for its operator alone.

Without the key Triton answers 403 (HTTP) or UNAVAILABLE (gRPC); inference, metadata and health are open.
"""

import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from qwen_server.errors import ServerError
from qwen_server.home import work_folder
from qwen_server.private_files import write_private

# To load a model can bring code along; a client's shared memory can be any that the server may open.
RESTRICTED = ("model-repository", "model-config", "shared-memory", "logging", "trace", "statistics")
HEADER = "qwen-admin-key"
GRPC_PREFIX = "triton-grpc-protocol-"  # Triton's
FILE = "admin-key"
NUM_BYTES = 32


@dataclass(frozen=True)
class AdminKey:
    """The secret of one start of a server."""

    secret: str = field(default_factory=lambda: secrets.token_hex(NUM_BYTES), repr=False)

    @classmethod
    def of_server(cls, grpc_port: int) -> Self:
        """The key of this user's server on that port of this machine; `ServerError` where there is none."""
        file = work_folder(grpc_port) / FILE
        try:
            return cls(file.read_text().partition(": ")[2].strip())
        except OSError as error:
            raise ServerError(f"no server of yours is on gRPC port {grpc_port}: {file} cannot be read") from error

    @property
    def http_headers(self) -> dict[str, str]:
        return {HEADER: self.secret}

    @property
    def grpc_metadata(self) -> dict[str, str]:
        return {GRPC_PREFIX + HEADER: self.secret}

    def arguments(self) -> list[str]:
        """What tritonserver is to be started with."""
        restriction = f"{','.join(RESTRICTED)}:{HEADER}={self.secret}"
        return [f"--http-restricted-api={restriction}", f"--grpc-restricted-protocol={restriction}"]

    def write(self, folder: Path) -> None:
        """As a header, so that `curl -H @FILE` reads it."""
        write_private(folder / FILE, f"{HEADER}: {self.secret}\n")

    @staticmethod
    def remove(folder: Path) -> None:
        (folder / FILE).unlink(missing_ok=True)
