"""From a checkpoint's name to its folder: local paths as they are, hub ids from the Hugging Face cache."""

from pathlib import Path

from qwen_engine.settings import ModelSettings
from qwen_server.errors import ServerError
from qwen_server.home import project_file
from qwen_server.profiles import Profile


def local_folder(checkpoint: str) -> Path | None:
    """The folder that `checkpoint` names, relative to the project, or None if it is a hub id."""
    folder = project_file(checkpoint)
    return folder if folder.is_dir() else None


def resolve(checkpoint: str) -> Path:
    """The folder holding the checkpoint's files.

    Raises:
        ServerError: neither a folder nor in the cache.
    """
    folder = local_folder(checkpoint)
    if folder:
        return folder
    try:
        return _snapshot(checkpoint, local_files_only=True)
    except (FileNotFoundError, ValueError) as error:  # the hub's LocalEntryNotFoundError; not of the form owner/name
        mend = "pip install qwen-triton-demo" if checkpoint.startswith("demo/") else "qwen pull PROFILE"
        raise ServerError(
            f"checkpoint {checkpoint!r} is neither a folder nor in the Hugging Face cache; run `{mend}`"
        ) from error


def resolve_all(settings: ModelSettings) -> dict[str, str]:
    """The settings that name checkpoints, with folders instead; `ServerError` as `resolve`, or for another file."""
    if missing := settings.missing_files():
        raise ServerError("; ".join(map(str, missing)))
    return {field: str(resolve(checkpoint)) for field, checkpoint in settings.checkpoints().items()}


def pull(profile: Profile) -> dict[str, Path]:
    """Download what the profile needs, with progress; folders by checkpoint."""
    named = [name for settings in profile.models.values() for name in settings.checkpoints().values()]
    return {name: local_folder(name) or _snapshot(name) for name in named}


def _snapshot(name: str, *, local_files_only: bool = False) -> Path:
    from huggingface_hub import snapshot_download  # loads for as long as `qwen --help` takes, which needs no hub

    return Path(snapshot_download(name, local_files_only=local_files_only))
