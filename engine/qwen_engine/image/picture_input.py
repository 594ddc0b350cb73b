"""Callers' pictures and masks."""

from PIL import Image, ImageChops

from qwen_engine.files import media_errors
from qwen_media.decoders import Decoders
from qwen_wire.errors import InvalidRequest

BAND_ROWS = 256  # a whole picture of 16 million pixels would be copied three times


def read_picture(data: bytes, name: str, decoders: Decoders, *, max_pixels: int) -> Image.Image:
    """The still picture in tensor `name`, upright: mode RGBA where it has transparency, else RGB.

    Raises:
        QwenError: it cannot be read, or not now.
    """
    with media_errors(name):
        return decoders.picture(data, max_pixels=max_pixels)


def read_mask(data: bytes, name: str, decoders: Decoders, *, size: tuple[int, int], max_pixels: int) -> Image.Image:
    """The mask of a picture of `size` (width, height): mode L, white where the picture is to change.

    White asks for change, black for none. A mask with transparency counts by that alone: where it is transparent, the
    picture is to change.

    Raises:
        QwenError: as `read_picture`; or it is of another size than the picture.
    """
    picture = read_picture(data, name, decoders, max_pixels=max_pixels)
    if picture.size != size:
        raise InvalidRequest(
            f"{name} has {picture.width} x {picture.height} pixels, its picture {size[0]} x {size[1]}: "
            "send a mask of the picture's size"
        )
    transparent = transparency(picture)
    return picture.convert("L") if transparent is None else transparent


def transparency(picture: Image.Image) -> Image.Image | None:
    """A mask, mode L, that is white where `picture` is transparent; None: nowhere."""
    if picture.mode != "RGBA":
        return None
    transparent = ImageChops.invert(picture.getchannel("A"))
    return transparent if transparent.getbbox() else None


def on_white(picture: Image.Image) -> Image.Image:
    """The picture in mode RGB, on white."""
    if picture.mode == "RGB":
        return picture
    made = Image.new("RGB", picture.size)
    for top in range(0, picture.height, BAND_ROWS):
        band = picture.crop((0, top, picture.width, min(top + BAND_ROWS, picture.height)))
        white = Image.new("RGBA", band.size, "white")
        made.paste(Image.alpha_composite(white, band).convert("RGB"), (0, top))
    return made
