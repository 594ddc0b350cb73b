"""The recipe of a picture: all it takes to draw it again, as JSON for its file's metadata."""

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
class Ingredients:
    """What a recipe needs besides the picture: the options, and the input files' SHA-256 as hex."""

    options: ImageOptions
    checkpoint: str
    images_sha256: tuple[str, ...] = ()
    mask_sha256: str | None = None

    @property
    def stream(self) -> bool:
        """Whether the answer comes in pieces."""
        return self.options.stream


def ingredients(
    options: ImageOptions, task: str, settings: ImageSettings, images: Sequence[bytes], mask: bytes
) -> Ingredients:
    """`images` and `mask` are the files as they were sent; no mask: empty."""
    used = settings.edit_checkpoint if task == "edit" and settings.edit_checkpoint else settings.checkpoint
    return Ingredients(options, checkpoint_name(used), tuple(map(_sha256, images)), _sha256(mask) if mask else None)


def write_recipe(picture: Picture, drawn_from: Ingredients) -> str:
    """JSON of the resolved options, the seed of this one picture, and what it was made from; only what applies."""
    request, options = picture.request, drawn_from.options
    fields: dict[str, Any] = {
        "model": "qwen_image",
        "checkpoint": drawn_from.checkpoint,
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
        "images_sha256": list(drawn_from.images_sha256) or None,
        "mask_sha256": drawn_from.mask_sha256,
        "format": options.format,
        "quality": options.quality,
    }
    return json.dumps({name: value for name, value in fields.items() if value is not None}, ensure_ascii=False)


def checkpoint_name(folder: str) -> str:
    """A checkpoint's name without the way to it: the folder's own, or OWNER/NAME@REVISION of one from the hub."""
    path = Path(folder)
    repository = path.parent.parent.name
    if path.parent.name == "snapshots" and repository.startswith("models--"):
        return f"{repository.removeprefix('models--').replace('--', '/', 1)}@{path.name[:REVISION_CHARS]}"
    return path.name


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
