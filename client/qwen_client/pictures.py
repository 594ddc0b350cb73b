"""Pictures: what goes to the server, what comes back, and what a drawing request tells on its way."""

import base64
import html
import io
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import BinaryIO, TypeAlias

from PIL import Image

from qwen_client.audio import read_binary
from qwen_client.pixels import png
from qwen_client.recipes import Recipe, read_recipe
from qwen_client.short_repr import ShortRepr
from qwen_wire.errors import InvalidRequest
from qwen_wire.messages import Timings
from qwen_wire.pictures import Queued

SHEET_GAP_PIXELS = 8


@dataclass(frozen=True, repr=False)
class Progress(ShortRepr):
    """`step` of `steps` of one of the pictures (`picture`: 0, 1, …) is done; about `eta_s` seconds are left.

    `preview_jpeg` is a small JPEG of the picture so far, where previews were asked for and one is due.
    """

    step: int
    steps: int
    picture: int = 0
    eta_s: float | None = None
    preview_jpeg: bytes | None = None

    @property
    def preview(self) -> Image.Image | None:
        """The preview for PIL."""
        return None if self.preview_jpeg is None else Image.open(io.BytesIO(self.preview_jpeg))


@dataclass(frozen=True, repr=False)
class Picture(ShortRepr):
    """A picture: `data` is the file as the server made it, of `format` "png", "webp" or "jpeg", with its recipe in it.

    Of several that were asked for at once, the first one holds the `others`; `picture` counts them (0, 1, …).
    `timings` are the whole request's: None in a stream, where it goes on.
    """

    data: bytes
    format: str
    prompt: str
    width: int
    height: int
    seed: int
    picture: int
    timings: Timings | None
    request_id: str
    others: tuple["Picture", ...] = ()

    @property
    def all(self) -> tuple["Picture", ...]:
        """This one and the others."""
        return (self, *self.others)

    @cached_property
    def image(self) -> Image.Image:
        """The picture for PIL."""
        return Image.open(io.BytesIO(self.data))

    @cached_property
    def png(self) -> bytes:
        """The picture as a PNG file."""
        return self.data if self.format == "png" else png(self.image)

    @property
    def recipe(self) -> Recipe:
        """All it takes to draw it again."""
        return read_recipe(self.data)

    def to_bytes(self, format: str | None = None) -> bytes:
        """The file as the server made it, or, where `format` says otherwise, any of PIL's, without the recipe."""
        wanted = _format_name(format or self.format)
        if wanted == self.format.upper():
            return self.data
        file = io.BytesIO()
        try:
            self.image.save(file, wanted)
        except (OSError, ValueError):  # the format has no transparency
            on_white(self.image).save(file, wanted)
        return file.getvalue()

    def save(self, file: str | os.PathLike[str] | BinaryIO, format: str | None = None) -> None:
        """Write `to_bytes` to a path, whose suffix says the format unless `format` does, or to an open binary file."""
        if isinstance(file, str | os.PathLike):
            Path(file).write_bytes(self.to_bytes(format or picture_format(file)))
        else:
            file.write(self.to_bytes(format))

    def _repr_png_(self) -> bytes:
        return self.png

    def as_img(self) -> str:
        """An HTML element that holds the file."""
        source = base64.b64encode(self.data).decode()
        return f'<img src="data:image/{self.format};base64,{source}" width="{self.width}" height="{self.height}">'

    def _repr_html_(self) -> str:
        return f"{self.as_img()}<br><small>{html.escape(self.prompt)}, seed {self.seed}</small>"


ImageEvent: TypeAlias = Queued | Progress | Picture

PictureInput: TypeAlias = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO | Image.Image | Picture
"""A path, the bytes of a PNG, JPEG or WebP file, an open binary file, a picture of PIL or one that was drawn here."""

PictureInputs: TypeAlias = PictureInput | list[PictureInput] | tuple[PictureInput, ...]
"""One picture, or several."""


def picture_bytes(picture: PictureInput) -> bytes:
    """The encoded file to send: files go as they are, PIL's pictures as PNG, upright and in a mode that PNG knows."""
    match picture:
        case bytes():
            return picture
        case Picture():
            return picture.data
        case str() | os.PathLike():
            return Path(picture).read_bytes()
        case Image.Image():
            return png(picture)
        case bytearray() | memoryview():
            return bytes(picture)
        case _ if hasattr(picture, "read"):
            return read_binary(picture, "the picture")
    raise InvalidRequest(f"the picture is {type(picture).__name__}: give a path, bytes, a binary file or a PIL image")


def _format_name(name: str) -> str:
    """PIL's name of a file format that it writes."""
    known = {"JPG": "JPEG"}.get(name.upper(), name.upper())
    Image.init()
    if known not in Image.SAVE:
        raise InvalidRequest(f"format is {name!r:.40}; known are those that PIL writes, such as png, jpeg and webp")
    return known


def picture_format(path: str | os.PathLike[str]) -> str:
    """The file format that the suffix of `path` asks for, by PIL's name."""
    file_format = Image.registered_extensions().get(Path(path).suffix.lower(), "")
    if file_format not in Image.SAVE:
        raise InvalidRequest(f"{path} has no known picture suffix; known are .png, .jpg, .webp and others of PIL's")
    return file_format


def on_white(image: Image.Image) -> Image.Image:
    """The picture in mode RGB, with white for transparency."""
    sheet = Image.new("RGB", image.size, "white")
    sheet.paste(image, mask=image.getchannel("A") if image.mode == "RGBA" else None)
    return sheet


def contact_sheet(pictures: Sequence[Picture]) -> Image.Image:
    """All pictures side by side, in about as many rows as columns.

    contact_sheet(client.image.generate("a red ring", n=6).all).save("sheet.png")
    """
    num_columns = math.ceil(math.sqrt(len(pictures)))
    num_rows = math.ceil(len(pictures) / num_columns)
    wide = max(picture.width for picture in pictures) + SHEET_GAP_PIXELS
    high = max(picture.height for picture in pictures) + SHEET_GAP_PIXELS
    sheet = Image.new("RGB", (num_columns * wide + SHEET_GAP_PIXELS, num_rows * high + SHEET_GAP_PIXELS), "white")
    for number, picture in enumerate(pictures):
        row, column = divmod(number, num_columns)
        sheet.paste(on_white(picture.image), (column * wide + SHEET_GAP_PIXELS, row * high + SHEET_GAP_PIXELS))
    return sheet
