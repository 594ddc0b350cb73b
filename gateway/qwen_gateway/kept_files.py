"""Files that answers name by URL: kept for an hour, by names that nobody guesses, for all processes of a gateway."""

import secrets
import tempfile
import time
from http import HTTPStatus
from pathlib import Path

from qwen_gateway.errors import GatewayError

KEPT_S = 3600.0
MAX_BYTES = 1 << 30
ENDINGS = {"image/png": ".png", "image/webp": ".webp", "image/jpeg": ".jpeg", "audio/wav": ".wav"}


class KeptFiles:
    """The files in one folder; the oldest are dropped where there are too many."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def add(self, data: bytes, media_type: str) -> str:
        """Keep a file; its name."""
        self._make_room(len(data))
        name = secrets.token_urlsafe(24) + ENDINGS[media_type]
        (self._folder / name).write_bytes(data)
        return name

    def path(self, name: str) -> Path:
        """Where a file lies. Raises `GatewayError` (404) where there is none, or no longer."""
        file = self._folder / name
        if file.parent != self._folder or not file.is_file() or time.time() - file.stat().st_mtime > KEPT_S:
            raise GatewayError(HTTPStatus.NOT_FOUND, "there is no such file, or no longer", code="file_not_found")
        return file

    def _make_room(self, num_bytes: int) -> None:
        files = sorted((file.stat().st_mtime, file.stat().st_size, file) for file in self._folder.iterdir())
        total = num_bytes + sum(size for _, size, _ in files)
        for written_s, size, file in files:
            if total <= MAX_BYTES and time.time() - written_s <= KEPT_S:
                return
            file.unlink(missing_ok=True)
            total -= size


def own_folder() -> Path:
    """A folder for one gateway that was told none."""
    return Path(tempfile.mkdtemp(prefix="qwen-gateway-"))
