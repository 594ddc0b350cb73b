"""Recipes: what the server writes into the metadata of the pictures it draws. No server is needed to read them."""

import hashlib
import io
import json
import os
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

from PIL import Image

from qwen_client.png_text import SIGNATURE, png_text
from qwen_wire.errors import InvalidRequest

PNG_KEY = "qwen_recipe"
EXIF_IFD = 0x8769
USER_COMMENT = 0x9286
COMMENT_HEADER_BYTES = 8
# What Pillow and zlib raise on damaged files.
DAMAGED = (OSError, ValueError, SyntaxError, TypeError, LookupError, struct.error, zlib.error)
UNREADABLE = (*DAMAGED, Image.DecompressionBombError, Image.DecompressionBombWarning)

PictureFile: TypeAlias = str | os.PathLike[str] | bytes | BinaryIO
"""A path, the bytes of a file or an open binary file."""


@dataclass(frozen=True)
class Recipe:
    """All it takes to draw a picture again: what was asked for, with the server's choices filled in; None: not used.

    `prompt` is the one that was drawn, with the words of the `style` in it. `images_sha256` and `mask_sha256` tell the
    files it was made from.
    """

    model: str
    checkpoint: str
    task: str
    prompt: str
    width: int
    height: int
    steps: int
    seed: int
    format: str
    negative_prompt: str = " "
    true_cfg_scale: float | None = None
    strength: float | None = None
    preset: str | None = None
    style: str | None = None
    lora: str | None = None
    quality: int | None = None
    images_sha256: tuple[str, ...] = ()
    mask_sha256: str | None = None


def read_recipe(file: PictureFile) -> Recipe:
    """The recipe in a picture that was drawn here.

        print(client.image.recipe("star.png").prompt)

    Raises `InvalidRequest` if there is none: another program made the picture, or saved it again.
    """
    name = "the picture" if isinstance(file, bytes) or hasattr(file, "read") else str(file)
    data = _bytes(file)
    try:
        text = _recipe_text(data)
    except UNREADABLE as error:
        raise InvalidRequest(f"{name} cannot be read as a picture") from error
    if text is None:
        raise InvalidRequest(f"{name} holds no recipe: it was not generated here, or another program saved it again")
    return _parsed(text, name)


def require_ingredients(recipe: Recipe, images: Sequence[bytes], mask: bytes | None) -> None:
    """Raise `InvalidRequest` unless these are the files that the picture was made from."""
    given = tuple(_sha256(image) for image in images)
    if given != recipe.images_sha256:
        raise InvalidRequest(
            f"images: {len(given)} given, and not the {len(recipe.images_sha256)} files that the recipe was made from"
        )
    if (_sha256(mask) if mask else None) != recipe.mask_sha256:
        raise InvalidRequest("mask: not the file that the recipe was made from, or there was none")


def _bytes(file: PictureFile) -> bytes:
    if isinstance(file, bytes):
        return file
    return Path(file).read_bytes() if isinstance(file, str | os.PathLike) else file.read()


def _recipe_text(data: bytes) -> str | None:
    if data.startswith(SIGNATURE):
        return png_text(data, PNG_KEY)
    with Image.open(io.BytesIO(data)) as picture:
        comment = picture.getexif().get_ifd(EXIF_IFD).get(USER_COMMENT)
    return bytes(comment)[COMMENT_HEADER_BYTES:].decode("utf-8", "replace") if comment else None


def _parsed(text: str, name: str) -> Recipe:
    try:
        recipe: dict[str, Any] = json.loads(text)
        known = {field.name: recipe[field.name] for field in fields(Recipe) if field.name in recipe}
        return Recipe(**{**known, "images_sha256": tuple(recipe.get("images_sha256", ()))})
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise InvalidRequest(f"{name} holds a recipe that cannot be read") from error


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
