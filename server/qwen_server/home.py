"""Where the project's files are: profiles, model repository, demo checkpoints."""

import os
from pathlib import Path

from qwen_server.errors import ServerError


def project_home() -> Path:
    """QWEN_HOME, else the clone this package was installed from."""
    home = Path(os.environ.get("QWEN_HOME", Path(__file__).resolve().parents[2]))
    if not (home / "model_repository").is_dir():
        raise ServerError(f"no model_repository in {home}; set QWEN_HOME to the project's folder")
    return home
