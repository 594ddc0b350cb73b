"""PIL's pictures of any mode as the file that is sent: upright, in grey or in colour, with their transparency."""

import io
import struct
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms, ImageOps

from qwen_wire.errors import InvalidRequest

SENT_MODES = ("L", "RGB", "RGBA")
MAX_8_BIT, MAX_16_BIT = 255, 65_535
# What Pillow raises on files that it opens late and that are damaged, and on pictures that it cannot convert.
UNREADABLE = (OSError, ValueError, SyntaxError, EOFError, TypeError, LookupError, struct.error)


def png(picture: Image.Image) -> bytes:
    """`picture` as a PNG file of mode L, RGB or RGBA, turned as its EXIF orientation says, without colour profile.

    Numbers of modes F, I and I;16 are brightness: from 0 to 1 (F), to 255, or, where any is larger, to 65535.

    Raises `InvalidRequest` where it is empty, damaged, or has numbers of other ranges.
    """
    if not picture.width or not picture.height:
        raise InvalidRequest(f"the picture has {picture.width} x {picture.height} pixels, which is none")
    file = io.BytesIO()
    try:
        _sendable(ImageOps.exif_transpose(picture)).save(file, "PNG", icc_profile=None)
    except UNREADABLE as error:
        raise InvalidRequest(f"the picture, of PIL's mode {picture.mode}, cannot be read: {error}") from error
    return file.getvalue()


def _sendable(picture: Image.Image) -> Image.Image:
    mode = picture.mode
    if mode == "LAB":
        return _applied(picture)
    if mode == "F" or mode.startswith("I"):
        return _of_numbers(picture)
    if picture.has_transparency_data:
        return _to_rgba(picture)
    return picture if mode in SENT_MODES else picture.convert("L" if mode == "1" else "RGB")


def _to_rgba(picture: Image.Image) -> Image.Image:
    steps = {"La": ("LA", "RGBA"), "PA": ("RGBA",), "LA": ("RGBA",)}
    for mode in steps.get(picture.mode, ("RGBA",)):
        picture = picture.convert(mode)
    return picture


def _applied(picture: Image.Image) -> Image.Image:
    """Lab's colours as a screen shows them."""
    colours = ImageCms.applyTransform(picture, _lab_to_rgb())
    assert colours is not None  # as it is not done in place
    return colours


@cache
def _lab_to_rgb() -> ImageCms.ImageCmsTransform:
    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    return ImageCms.buildTransform(lab, srgb, "LAB", "RGB")


def _of_numbers(picture: Image.Image) -> Image.Image:
    numbers = np.asarray(picture).astype(np.float64)
    grey = Image.fromarray(np.rint(numbers * (MAX_8_BIT / _white(numbers, picture.mode))).astype(np.uint8))
    clear = picture.info.get("transparency")
    if clear is None:
        return grey
    grey.putalpha(Image.fromarray(np.where(numbers == clear, 0, MAX_8_BIT).astype(np.uint8)))
    return grey.convert("RGBA")


def _white(numbers: npt.NDArray[Any], mode: str) -> int:
    """The number that stands for white."""
    if not np.isfinite(numbers).all():
        raise InvalidRequest(f"the picture, of PIL's mode {mode}, holds numbers that are not finite")
    low, high = numbers.min(), numbers.max()
    if low < 0 or high > MAX_16_BIT:
        raise InvalidRequest(
            f"the picture, of PIL's mode {mode}, holds numbers from {low:g} to {high:g}; "
            f"allowed are 0 to {MAX_8_BIT} or to {MAX_16_BIT}, and 0 to 1 for mode F"
        )
    if mode.startswith("I;16") or high > MAX_8_BIT:
        return MAX_16_BIT
    return 1 if mode == "F" and high <= 1 else MAX_8_BIT
