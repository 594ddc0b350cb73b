"""Encoded pictures in, PIL images out; how large a picture is, its header tells before anything is decoded."""

import io
import struct
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image, ImageFile, ImageOps, JpegImagePlugin, MpoImagePlugin, PngImagePlugin, WebPImagePlugin

from qwen_media.errors import BadMedia
from qwen_media.output import Output
from qwen_media.png import SIGNATURE, lean_png

# Imported here, so that a decoder process has them before it takes files; Pillow would load all it knows.
PLUGINS = (JpegImagePlugin, MpoImagePlugin, PngImagePlugin, WebPImagePlugin)

FORMATS = ("PNG", "JPEG", "WEBP")
ALLOWED = "a PNG, JPEG or WebP file"
# What Pillow raises on damaged files.
DAMAGED = (OSError, ValueError, SyntaxError, EOFError, LookupError, TypeError, OverflowError, struct.error, zlib.error)
# Its own limit on pixels is far above ours, and may be set to warn or to raise.
TOO_LARGE = (Image.DecompressionBombError, Image.DecompressionBombWarning)
MAX_RATIO = 50  # of a picture's sides; the text encoder's eyes take 200, of what was rounded to their patches
PNG_DEPTH_AT = 24  # the byte of the header that says how many bits a sample has
GREY_16_BIT = 257  # a 16-bit grey is so many times the 8-bit one


def read_picture(data: bytes, *, max_pixels: int) -> Image.Image:
    """Decode a still picture, turned as its EXIF orientation says: mode RGBA where it has transparency, else RGB.

    Raises:
        BadMedia: empty, no PNG, JPEG or WebP, damaged, cut short, an animation, of more than `max_pixels`, or
            far longer than wide.
    """
    if not data:
        raise BadMedia(f"is empty; send {ALLOWED}")
    picture = _opened(data, max_pixels)
    try:
        picture.load()
        upright = ImageOps.exif_transpose(picture)
        return _in_colour(upright)
    except DAMAGED as error:
        raise BadMedia(f"is damaged or cut short; send {ALLOWED} that is whole") from error


def job(payload: memoryview, params: Mapping[str, Any], output: Output) -> dict[str, Any]:
    """`read_picture` as a decoder process does it: rows of pixels, and what they are."""
    picture = read_picture(bytes(payload), max_pixels=params["max_pixels"])
    output.write(np.asarray(picture))
    return {"mode": picture.mode, "size": picture.size}


def _opened(data: bytes, max_pixels: int) -> ImageFile.ImageFile:
    """The picture, of which the header only is read."""
    try:
        data = lean_png(data) if data.startswith(SIGNATURE) else data
        picture = Image.open(io.BytesIO(data), formats=FORMATS)
        if picture.format == "PNG":
            _refuse_wrong_checksums(data)
            _mend_transparent_value(picture, data)
    except TOO_LARGE as error:
        raise BadMedia(f"has far more than {max_pixels} pixels, which is the limit") from error
    except DAMAGED as error:
        raise BadMedia(f"cannot be read as a picture; send {ALLOWED}") from error
    if picture.width * picture.height > max_pixels:
        pixels = picture.width * picture.height
        raise BadMedia(f"has {picture.width} x {picture.height} = {pixels} pixels; the limit is {max_pixels}")
    if max(picture.size) > MAX_RATIO * min(picture.size):
        raise BadMedia(
            f"has {picture.width} x {picture.height} pixels; one side may be {MAX_RATIO} times the other at most"
        )
    # Phones put a second picture, such as a depth map, behind the first one: that is no animation.
    if getattr(picture, "is_animated", False) and picture.format != "MPO":
        raise BadMedia("is an animation; send a still picture")
    return picture


def _refuse_wrong_checksums(data: bytes) -> None:
    """A PNG has checksums, which decoding alone does not look at."""
    Image.open(io.BytesIO(data), formats=("PNG",)).verify()


def _in_colour(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith("I"):
        return _of_16_bit_grey(picture)
    return picture.convert("RGBA" if picture.has_transparency_data else "RGB")


def _of_16_bit_grey(picture: Image.Image) -> Image.Image:
    grey = np.asarray(picture).astype(np.uint16)
    colour = Image.fromarray(np.rint(grey / GREY_16_BIT).astype(np.uint8)).convert("RGB")
    if "transparency" in picture.info:
        colour.putalpha(Image.fromarray(np.where(grey == picture.info["transparency"], 0, 255).astype(np.uint8)))
    return colour


def _mend_transparent_value(picture: ImageFile.ImageFile, data: bytes) -> None:
    """The one transparent value of a PNG, in the depth of its file, as Pillow needs it: in that of its pixels."""
    value, depth = picture.info.get("transparency"), data[PNG_DEPTH_AT]
    if picture.mode == "L" and depth in (2, 4) and isinstance(value, int):
        picture.info["transparency"] = value * 255 // (2**depth - 1)
    if picture.mode == "RGB" and depth == 16 and isinstance(value, tuple):
        picture.info["transparency"] = tuple(part >> 8 for part in value)
