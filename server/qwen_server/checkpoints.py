"""From a checkpoint's name to its folder: local paths as they are, hub ids from the Hugging Face cache."""

from pathlib import Path

from qwen_engine.settings import ModelSettings
from qwen_server.checkpoint_files import damaged_files, wrong_layout
from qwen_server.errors import ServerError
from qwen_server.home import project_file
from qwen_server.profiles import Profile

MAX_REASON_CHARS = 200


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
    return {name: local_folder(name) or _pulled(name) for name in named}


def _pulled(name: str) -> Path:
    """Raises `ServerError` where it cannot be downloaded, or is damaged afterwards."""
    folder = _downloaded(name)
    damaged = damaged_files(folder)
    for file in damaged:
        if file.is_symlink():  # a download keeps what it finds in the cache
            file.resolve().unlink(missing_ok=True)
            file.unlink()
    if damaged:
        folder = _downloaded(name)
        damaged = damaged_files(folder)
    if problems := [wrong_layout(folder)] if wrong_layout(folder) else told(damaged, folder):
        raise ServerError(f"checkpoint {name!r}: {'; '.join(problems)}")
    return folder


def told(damaged: dict[Path, str], folder: Path) -> list[str]:
    """Damaged files of a checkpoint, one text a file."""
    return [f"{file.relative_to(folder)} {what}" for file, what in damaged.items()]


def _downloaded(name: str) -> Path:
    try:
        return _snapshot(name)
    except (OSError, ValueError) as error:  # all errors of the hub and of the network; not of the form owner/name
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ServerError(
            f"checkpoint {name!r} cannot be downloaded: {reason[:MAX_REASON_CHARS]}; pull again where the network "
            "reaches the hub, or name a local folder in the profile"
        ) from error


def _snapshot(name: str, *, local_files_only: bool = False) -> Path:
    """OWNER/NAME, or OWNER/NAME@REVISION: a branch, tag or commit."""
    from huggingface_hub import snapshot_download  # loads for as long as `qwen --help` takes, which needs no hub

    repository, _, revision = name.partition("@")
    return Path(snapshot_download(repository, revision=revision or None, local_files_only=local_files_only))
