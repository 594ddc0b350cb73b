"""Encoded pictures in, PIL images out; how large a picture is, its header tells before anything is decoded."""

import io
import struct
import zlib

from PIL import Image, ImageChops, ImageFile, ImageOps

from qwen_engine.errors import InvalidRequest

FORMATS = ("PNG", "JPEG", "WEBP")
ALLOWED = "a PNG, JPEG or WebP file"
# What Pillow raises on damaged files.
DAMAGED = (OSError, ValueError, SyntaxError, EOFError, LookupError, TypeError, OverflowError, struct.error, zlib.error)
# Its own limit on pixels is far above ours, and may be set to warn or to raise.
TOO_LARGE = (Image.DecompressionBombError, Image.DecompressionBombWarning)
MAX_RATIO = 50  # of a picture's sides; the text encoder's eyes take 200, of what was rounded to their patches
GREY_16_BIT = 257  # a 16-bit grey is so many times the 8-bit one


def read_picture(data: bytes, name: str, *, max_pixels: int) -> Image.Image:
    """Decode a still picture, turned as its EXIF orientation says: mode RGBA where it has transparency, else RGB.

    Messages speak of the tensor `name`.

    Raises:
        InvalidRequest: empty, no PNG, JPEG or WebP, damaged, cut short, an animation, of more than `max_pixels`, or
            far longer than wide.
    """
    if not data:
        raise InvalidRequest(f"{name} is empty; send {ALLOWED}")
    picture = _opened(data, name, max_pixels)
    try:
        picture.load()
        upright = ImageOps.exif_transpose(picture)
        return _in_colour(upright)
    except DAMAGED as error:
        raise InvalidRequest(f"{name} is damaged or cut short; send {ALLOWED} that is whole") from error


def read_mask(data: bytes, name: str, *, size: tuple[int, int], max_pixels: int) -> Image.Image:
    """Decode the mask of a picture of `size` (width, height): mode L, white where the picture is to change.

    White asks for change, black for none. A mask with transparency counts by that alone: where it is transparent, the
    picture is to change.

    Raises:
        InvalidRequest: as `read_picture`, or of another size than the picture.
    """
    picture = read_picture(data, name, max_pixels=max_pixels)
    if picture.size != size:
        raise InvalidRequest(
            f"{name} has {picture.width} x {picture.height} pixels, its picture {size[0]} x {size[1]}: "
            "send a mask of the picture's size"
        )
    holes = transparency(picture)
    return picture.convert("L") if holes is None else holes


def transparency(picture: Image.Image) -> Image.Image | None:
    """A mask, mode L, that is white where `picture` is transparent; None where it is nowhere."""
    if picture.mode != "RGBA":
        return None
    holes = ImageChops.invert(picture.getchannel("A"))
    return holes if holes.getbbox() else None


def on_white(picture: Image.Image) -> Image.Image:
    """The picture in mode RGB; what was transparent becomes white."""
    if picture.mode == "RGB":
        return picture
    white = Image.new("RGBA", picture.size, "white")
    return Image.alpha_composite(white, picture).convert("RGB")


def _opened(data: bytes, name: str, max_pixels: int) -> ImageFile.ImageFile:
    """The picture, of which the header only is read."""
    try:
        picture = Image.open(io.BytesIO(data), formats=FORMATS)
        _refuse_wrong_checksums(picture, data)
    except TOO_LARGE as error:
        raise InvalidRequest(f"{name} has far more than {max_pixels} pixels, which is the limit") from error
    except DAMAGED as error:
        raise InvalidRequest(f"{name} cannot be read as a picture; send {ALLOWED}") from error
    if picture.width * picture.height > max_pixels:
        pixels = picture.width * picture.height
        raise InvalidRequest(
            f"{name} has {picture.width} x {picture.height} = {pixels} pixels; the limit is {max_pixels}"
        )
    if max(picture.size) > MAX_RATIO * min(picture.size):
        raise InvalidRequest(
            f"{name} has {picture.width} x {picture.height} pixels; one side may be {MAX_RATIO} times the other at most"
        )
    # Phones put a second picture, such as a depth map, behind the first one: that is no animation.
    if getattr(picture, "is_animated", False) and picture.format != "MPO":
        raise InvalidRequest(f"{name} is an animation; send a still picture")
    return picture


def _refuse_wrong_checksums(picture: ImageFile.ImageFile, data: bytes) -> None:
    """A PNG has checksums, which decoding alone does not look at."""
    if picture.format == "PNG":
        Image.open(io.BytesIO(data), formats=("PNG",)).verify()


def _in_colour(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith("I"):
        picture = picture.convert("I").point(lambda grey: grey / GREY_16_BIT).convert("L")
    return picture.convert("RGBA" if picture.has_transparency_data else "RGB")
