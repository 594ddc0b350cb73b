"""PIL images out as files, with the recipe in their metadata."""

import io

from PIL.Image import Exif, Image
from PIL.PngImagePlugin import PngInfo

from qwen_engine.image.picture_input import on_white
from qwen_wire.options import PictureFormat

RECIPE_KEY = "qwen_recipe"
EXIF_IFD = 0x8769
USER_COMMENT = 0x9286
UNDEFINED_CHARACTERS = bytes(8)  # the comment is UTF-8
MAX_SIDES_PX: dict[PictureFormat, int] = {"webp": 16_383, "jpeg": 65_500}
DEFAULT_QUALITY = 90
LOSSLESS_QUALITY = 100
LOSSLESS_EFFORT = 50  # Pillow's `quality` of lossless files; more takes twice as long for hardly smaller ones
PNG_LEVEL = 3  # of zlib: two to three times as fast as the default, files a tenth larger
PREVIEW_BYTES = 20_000
PREVIEW_QUALITIES = (85, 65, 45)


def encode_picture(image: Image, file_format: PictureFormat, quality: int | None, recipe: str | None) -> bytes:
    """`image` as a file, `recipe` (JSON), if any, in it: PNG as the text `qwen_recipe`, others as EXIF UserComment.

    `quality` 1 to 100 (None: 90) of JPEG and WebP; WebP of 100 is lossless. JPEG has white for transparency.
    """
    quality = DEFAULT_QUALITY if quality is None else quality
    match file_format:
        case "png":
            return _saved(image, "PNG", pnginfo=_png_text(recipe), compress_level=PNG_LEVEL)
        case "jpeg":
            return _saved(on_white(image), "JPEG", quality=quality, subsampling=0, exif=_exif(recipe))
        case "webp" if quality == LOSSLESS_QUALITY:
            return _saved(image, "WEBP", quality=LOSSLESS_EFFORT, lossless=True, exact=True, exif=_exif(recipe))
        case "webp":
            return _saved(image, "WEBP", quality=quality, exif=_exif(recipe))


def encode_preview(image: Image) -> bytes:
    """A JPEG of at most 20 kB; if quality alone is not enough, in fewer pixels."""
    while True:
        for quality in PREVIEW_QUALITIES:
            data = _saved(image, "JPEG", quality=quality)
            if len(data) <= PREVIEW_BYTES:
                return data
        image = image.reduce(2)


def _png_text(recipe: str | None) -> PngInfo:
    text = PngInfo()
    if recipe is not None:
        text.add_itxt(RECIPE_KEY, recipe)
    return text


def _exif(recipe: str | None) -> bytes:
    if recipe is None:
        return b""
    exif = Exif()
    exif.get_ifd(EXIF_IFD)[USER_COMMENT] = UNDEFINED_CHARACTERS + recipe.encode()
    return exif.tobytes()


def _saved(image: Image, file_format: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, format=file_format, **options)
    return file.getvalue()
