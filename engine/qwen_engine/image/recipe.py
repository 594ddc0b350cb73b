"""The recipe of a picture: all that is needed to generate it again, as JSON for its file's metadata."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qwen_engine.image.request import Picture
from qwen_engine.image.settings import ImageSettings
from qwen_wire.options import ImageOptions

REVISION_CHARS = 12


@dataclass(frozen=True)
class RecipeInputs:
    """The inputs of a recipe besides the picture: the options, and the input files' SHA-256 as hex."""

    options: ImageOptions
    checkpoint: str
    images_sha256: tuple[str, ...] = ()
    mask_sha256: str | None = None

    @property
    def stream(self) -> bool:
        """Whether the answer comes in pieces."""
        return self.options.stream


def recipe_inputs(
    options: ImageOptions, task: str, settings: ImageSettings, images: Sequence[bytes], mask: bytes
) -> RecipeInputs:
    """`images` and `mask` are the files as they were sent; no mask: empty."""
    used = settings.edit_checkpoint if task == "edit" and settings.edit_checkpoint else settings.checkpoint
    return RecipeInputs(options, checkpoint_name(used), tuple(map(_sha256, images)), _sha256(mask) if mask else None)


def write_recipe(picture: Picture, inputs: RecipeInputs) -> str:
    """JSON of the resolved options, the seed of this one picture, and its inputs; only fields that apply."""
    request, options = picture.request, inputs.options
    fields: dict[str, Any] = {
        "model": "qwen_image",
        "checkpoint": inputs.checkpoint,
        "task": request.task,
        "prompt": request.prompt,
        "negative_prompt": request.negative_prompt,
        "style": options.style,
        "width": request.width,
        "height": request.height,
        "steps": request.steps,
        "seed": picture.seed,
        "true_cfg_scale": request.true_cfg_scale,
        "strength": request.strength,
        "preset": request.preset,
        "lora": request.lora,
        "images_sha256": list(inputs.images_sha256) or None,
        "mask_sha256": inputs.mask_sha256,
        "format": options.format,
        "quality": options.quality,
    }
    return json.dumps({name: value for name, value in fields.items() if value is not None}, ensure_ascii=False)


def checkpoint_name(folder: str) -> str:
    """A checkpoint's name without its path: the folder's own, or OWNER/NAME@REVISION of one from the hub."""
    path = Path(folder)
    repository = path.parent.parent.name
    if path.parent.name == "snapshots" and repository.startswith("models--"):
        return f"{repository.removeprefix('models--').replace('--', '/', 1)}@{path.name[:REVISION_CHARS]}"
    return path.name


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
