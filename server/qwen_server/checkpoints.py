"""From a checkpoint's name to its folder: local paths as they are, hub ids from the Hugging Face cache."""

import json
from pathlib import Path

from qwen_engine.settings import ModelSettings
from qwen_server.errors import ServerError
from qwen_server.home import project_file
from qwen_server.profiles import Profile

HEADER_SIZE_BYTES = 8
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
    try:
        folder = _snapshot(name)
    except (OSError, ValueError) as error:  # all errors of the hub and of the network; not of the form owner/name
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ServerError(
            f"checkpoint {name!r} cannot be downloaded: {reason[:MAX_REASON_CHARS]}; pull again where the network "
            "reaches the hub, or name a local folder in the profile"
        ) from error
    if problems := wrong_files(folder):
        raise ServerError(f"checkpoint {name!r}: {'; '.join(problems)}")
    return folder


def wrong_files(folder: Path) -> list[str]:
    """What is wrong in a checkpoint's folder, and what to do: another layout than transformers', weights that an index
    names and that are missing, weights that are shorter or longer than their header says."""
    config = folder / "config.json"
    if config.is_file() and "thinker_config" in json.loads(config.read_bytes()):
        return ["its layout is that of the package qwen-asr; name the repository whose name ends in -hf"]
    missing = {
        file
        for index in folder.rglob("*.safetensors.index.json")
        for file in {str(index.parent / name) for name in json.loads(index.read_text())["weight_map"].values()}
        if not Path(file).is_file()
    }
    wrong = [file for file in sorted(folder.rglob("*.safetensors")) if not _is_complete(file)]
    problems = [
        *(f"{Path(file).relative_to(folder)} is missing" for file in sorted(missing)),
        *(f"{file.relative_to(folder)} is not as long as its header says" for file in wrong),
    ]
    return [*problems, f"remove {folder} and pull it again"] if problems else []


def _is_complete(file: Path) -> bool:
    """Format: https://github.com/huggingface/safetensors, README, "Format"."""
    size = file.stat().st_size
    with file.open("rb") as stream:
        num_header_bytes = int.from_bytes(stream.read(HEADER_SIZE_BYTES), "little")
        if not 0 < num_header_bytes <= size - HEADER_SIZE_BYTES:
            return False
        try:
            header = json.loads(stream.read(num_header_bytes))
        except ValueError:
            return False
    ends = [one["data_offsets"][1] for name, one in header.items() if name != "__metadata__"]
    return HEADER_SIZE_BYTES + num_header_bytes + max(ends, default=0) == size


def _snapshot(name: str, *, local_files_only: bool = False) -> Path:
    """OWNER/NAME, or OWNER/NAME@REVISION: a branch, tag or commit."""
    from huggingface_hub import snapshot_download  # loads for as long as `qwen --help` takes, which needs no hub

    repository, _, revision = name.partition("@")
    return Path(snapshot_download(repository, revision=revision or None, local_files_only=local_files_only))
