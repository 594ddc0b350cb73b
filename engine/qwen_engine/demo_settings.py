"""Settings of a model whose config.pbtxt has none, as committed: those of the demo profile.

So plain `tritonserver --model-repository=model_repository` serves the demo checkpoints, where the repository lies in
the project. The repositories of `qwen serve` and `qwen stage` have settings.
"""

import json
import tomllib
from pathlib import Path
from typing import Any

from qwen_wire.tensors import MODELS

PROFILE = Path("profiles", "demo.toml")


def demo_settings_json(model_folder: Path) -> str:
    """The settings of the model or chain in `model_folder`, as JSON.

    Raises:
        ValueError: there is no demo profile beside the repository.
    """
    home = model_folder.resolve().parents[1]
    if not (home / PROFILE).is_file():
        raise ValueError(
            "config.pbtxt has no parameter 'settings', and no demo profile lies beside the repository; "
            "start the server with `qwen serve`, or write a repository with `qwen stage`"
        )
    profile = tomllib.loads((home / PROFILE).read_bytes().decode())
    if model_folder.name in {model.name for model in MODELS}:
        return json.dumps(_with_folders(profile[model_folder.name], home))
    section = profile.get(model_folder.name, profile["chains"])
    return json.dumps({**section, "served": sorted(_names(model_folder.parent))})


def _with_folders(section: dict[str, Any], home: Path) -> dict[str, Any]:
    """Checkpoints of a profile are relative to the project."""
    return {key: str(home / value) if key.endswith("checkpoint") else value for key, value in section.items()}


def _names(repository: Path) -> set[str]:
    return {file.parent.name for file in repository.glob("*/config.pbtxt")}
