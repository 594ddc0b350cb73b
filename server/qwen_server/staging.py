"""Model repositories written for Triton: linked for a server of this machine, or complete, for any server."""

import shutil
from pathlib import Path

from qwen_server.errors import ServerError
from qwen_server.profiles import Profile
from qwen_server.repository import served_models


def link(profile: Profile, repository: Path, grpc_address: str) -> list[str]:
    """Write `repository` anew, its code by links to the project's; chains will call models at `grpc_address`.

    Returns the names to load, in an order in which they can load.
    """
    shutil.rmtree(repository, ignore_errors=True)
    models = served_models(profile, grpc_address)
    for model in models:
        target = repository / model.name
        target.mkdir(parents=True)
        for version in model.versions:
            (target / version.name).symlink_to(version, target_is_directory=True)
        model.write_files(target)
    return [model.name for model in models]


def write(profile: Profile, repository: Path, grpc_address: str) -> list[str]:
    """As `link`, but complete: plain `tritonserver --model-repository=…` loads it, also where no profile is.

    Paths in it are those of checkpoints alone.

    Raises:
        ServerError: `repository` has something in it, or cannot be written.
    """
    models = served_models(profile, grpc_address)
    try:
        repository.mkdir(parents=True, exist_ok=True)
        if any(repository.iterdir()):
            raise ServerError(f"{repository} is not empty; name a new folder")
        for model in models:
            target = repository / model.name
            for version in model.versions:
                shutil.copytree(version, target / version.name, ignore=shutil.ignore_patterns("__pycache__"))
            model.write_files(target)
    except OSError as error:
        raise ServerError(f"{repository} cannot be written: {error}") from error
    return [model.name for model in models]
