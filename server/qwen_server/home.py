"""Where the project's files are (profiles, model repository, demo checkpoints), and those of a running server."""

import importlib.util
import os
from pathlib import Path

from qwen_server.errors import ServerError

DEMO = "qwen_demo"  # of the distribution qwen-triton-demo


def project_home() -> Path:
    """QWEN_HOME, else the clone this package was installed from, else what the package has of it."""
    here = Path(__file__).resolve()
    clone, packaged = here.parents[2], here.parent / "project"
    home = Path(os.environ.get("QWEN_HOME", clone if (clone / "model_repository").is_dir() else packaged))
    if not (home / "model_repository").is_dir():
        raise ServerError(f"no model_repository in {home}; set QWEN_HOME to the project's folder")
    return home


def project_file(name: str) -> Path:
    """A file or folder of the project, also one of demo/ that a package of its own has; it need not exist."""
    path = project_home() / name
    demo = importlib.util.find_spec(DEMO)
    if path.exists() or demo is None or demo.origin is None:
        return path
    return Path(demo.origin).parent / name


def work_folder(grpc_port: int) -> Path:
    """The folder of this user's server on that port: its log, its admin key, what Triton is started on."""
    state = os.environ.get("XDG_STATE_HOME", "")
    try:
        base = Path(state) if os.path.isabs(state) else Path.home() / ".local" / "state"
    except RuntimeError as error:
        raise ServerError("this user has no home; set XDG_STATE_HOME to a folder of theirs") from error
    return base / "qwen" / str(grpc_port)
