"""Pictures that callers send: read within limits, or refused by name."""

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from qwen_engine.errors import InvalidRequest
from qwen_engine.image.reading import on_white, read_mask, read_picture, transparency

MAX_PIXELS = 100_000
ORIENTATION = 0x0112


def encoded(picture: Image.Image, file_format: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, file_format, **options)
    return file.getvalue()


def gradient(mode: str = "RGB", size: tuple[int, int] = (48, 32)) -> Image.Image:
    wide, high = size
    red, green = np.meshgrid(np.linspace(0, 255, wide), np.linspace(0, 255, high))
    return Image.fromarray(np.stack([red, green, np.full_like(red, 90)], -1).astype(np.uint8)).convert(mode)


def read(data: bytes, max_pixels: int = MAX_PIXELS) -> Image.Image:
    return read_picture(data, "IMAGE", max_pixels=max_pixels)


def png_chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png_that_claims(width: int, height: int) -> bytes:
    """A few bytes that would be a picture of any size."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes(100_000))
    return b"".join(
        [b"\x89PNG\r\n\x1a\n", png_chunk(b"IHDR", header), png_chunk(b"IDAT", rows), png_chunk(b"IEND", b"")]
    )


@pytest.mark.parametrize("mode", ["RGB", "L", "1", "P"])
def test_png_of_any_mode_becomes_rgb(mode: str) -> None:
    source = gradient(mode)
    picture = read(encoded(source))

    assert picture.mode == "RGB"
    np.testing.assert_array_equal(np.asarray(picture), np.asarray(source.convert("RGB")))


@pytest.mark.parametrize(("file_format", "mode"), [("JPEG", "RGB"), ("JPEG", "CMYK"), ("JPEG", "L"), ("WEBP", "RGB")])
def test_lossy_formats(file_format: str, mode: str) -> None:
    picture = read(encoded(gradient(mode), file_format))

    assert picture.mode == "RGB"
    difference = np.asarray(picture).astype(int) - np.asarray(gradient(mode).convert("RGB")).astype(int)
    assert np.abs(difference).mean() < 6


def test_sixteen_bits_a_pixel_keep_their_brightness() -> None:
    grey = Image.fromarray(np.array([[0, 32896, 65535]], np.uint16))

    assert np.asarray(read(encoded(grey)))[0, :, 0].tolist() == [0, 128, 255]


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP"])
def test_a_picture_is_turned_as_its_camera_was_held(file_format: str) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6  # the camera was turned by 90 degrees
    picture = read(encoded(gradient(size=(48, 32)), file_format, exif=exif.tobytes()))

    assert picture.size == (32, 48)


def test_what_is_transparent_becomes_white_and_a_mask() -> None:
    source = gradient("RGBA")
    source.paste((0, 0, 0, 0), (0, 0, 24, 32))
    for file_format in ("PNG", "WEBP"):
        picture = read(encoded(source, file_format, lossless=True))
        holes = transparency(picture)

        assert picture.mode == "RGBA"
        assert np.asarray(on_white(picture))[:, :24].min() == 255
        np.testing.assert_array_equal(np.asarray(on_white(picture))[:, 24:], np.asarray(gradient())[:, 24:])
        assert holes is not None
        np.testing.assert_array_equal(np.asarray(holes), [[255] * 24 + [0] * 24] * 32)


def test_a_palette_with_a_transparent_colour_is_transparent() -> None:
    source = Image.new("P", (4, 4), 0)
    source.putpalette([0, 0, 0, 255, 0, 0])
    source.paste(1, (0, 0, 2, 4))
    holes = transparency(read(encoded(source, transparency=0)))

    assert holes is not None
    assert np.asarray(holes)[0].tolist() == [0, 0, 255, 255]


def test_nowhere_transparent_is_no_mask() -> None:
    assert transparency(read(encoded(gradient("RGBA")))) is None
    assert transparency(read(encoded(gradient()))) is None


def test_masks_by_brightness_and_by_transparency() -> None:
    white_left = Image.new("L", (48, 32), 0)
    white_left.paste(255, (0, 0, 24, 32))
    hole_left = gradient("RGBA")
    hole_left.putalpha(white_left.point(lambda value: 255 - value))
    for mask in (white_left, white_left.convert("RGB"), white_left.convert("1"), hole_left):
        read_back = read_mask(encoded(mask), "MASK", size=(48, 32), max_pixels=MAX_PIXELS)
        assert read_back.mode == "L"
        np.testing.assert_array_equal(np.asarray(read_back), np.asarray(white_left))


def test_a_mask_of_another_size_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="MASK has 32 x 48 pixels, its picture 48 x 32: send a mask of"):
        read_mask(encoded(gradient(size=(32, 48))), "MASK", size=(48, 32), max_pixels=MAX_PIXELS)


def animation(file_format: str) -> bytes:
    return encoded(gradient(), file_format, save_all=True, append_images=[gradient().rotate(90)])


def damaged_png() -> bytes:
    data = bytearray(encoded(gradient()))
    data[len(data) // 2] ^= 0x10
    return bytes(data)


def text_bomb() -> bytes:
    text = PngImagePlugin.PngInfo()
    text.add_text("comment", "x" * 50_000_000, zip=True)
    return encoded(gradient(), pnginfo=text)


REFUSED = {
    "empty": (b"", "IMAGE is empty; send a PNG, JPEG or WebP file"),
    "text": (b"a red circle, please" * 20, "cannot be read as a picture; send a PNG, JPEG or WebP file"),
    "another format": (encoded(gradient(), "GIF"), "cannot be read as a picture"),
    "cut short": (encoded(gradient())[:-20], "IMAGE (cannot be read|is damaged or cut short)"),
    "JPEG cut short": (encoded(gradient(), "JPEG")[:700], "is damaged or cut short"),
    "WebP cut short": (encoded(gradient(), "WEBP")[:-20], "IMAGE (cannot be read|is damaged or cut short)"),
    "a wrong byte": (damaged_png(), "cannot be read"),
    "header alone": (encoded(gradient())[:33], "IMAGE (cannot be read|is damaged or cut short)"),
    "50 megapixels": (png_that_claims(10_000, 5_000), "IMAGE has 10000 x 5000 = 50000000 pixels; the limit is 100000"),
    "more than Pillow warns of": (png_that_claims(10_000, 10_000), "far more than 100000 pixels|100000000 pixels"),
    "more than Pillow takes": (png_that_claims(60_000, 60_000), "has far more than 100000 pixels, which is the limit"),
    "fewer rows than promised": (png_that_claims(300, 300), "is damaged or cut short"),
    "no pixels": (png_that_claims(0, 10), "IMAGE (cannot be read|is damaged or cut short)"),
    "a text that grows": (text_bomb(), "cannot be read as a picture"),
    "a line": (encoded(gradient(size=(510, 10))), "IMAGE has 510 x 10 pixels; one side may be 50 times the other"),
    "animated PNG": (animation("PNG"), "IMAGE is an animation; send a still picture"),
    "animated WebP": (animation("WEBP"), "IMAGE is an animation; send a still picture"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_still_picture_is_refused(case: str) -> None:
    data, message = REFUSED[case]
    with pytest.raises(InvalidRequest, match=message):
        read(data)


def test_a_photograph_with_a_second_picture_behind_it_is_no_animation() -> None:
    data = encoded(gradient(), "MPO", save_all=True, append_images=[gradient(size=(8, 8))])
    assert Image.open(io.BytesIO(data)).format == "MPO"

    assert read(data).size == (48, 32)


def test_just_within_the_limit() -> None:
    assert read(encoded(gradient(size=(100, 100))), max_pixels=10_000).size == (100, 100)
    with pytest.raises(InvalidRequest, match="101 x 100 = 10100 pixels; the limit is 10000"):
        read(encoded(gradient(size=(101, 100))), max_pixels=10_000)


FILES = [
    *(encoded(gradient(mode, (20, 12))) for mode in ("RGB", "RGBA", "P", "1")),
    *(encoded(gradient(size=(20, 12)), file_format) for file_format in ("JPEG", "WEBP")),
    animation("WEBP"),
]


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A file some bytes of which changed, are missing or were put in, most often near its beginning."""
    data = bytearray(draw(st.sampled_from(FILES)))
    reach = draw(st.sampled_from([40, 200, len(data)]))
    changes = st.tuples(st.integers(0, min(reach, len(data)) - 1), st.integers(0, 255))
    for position, value in draw(st.lists(changes, max_size=16)):
        data[position] = value
    at = draw(st.integers(0, len(data)))
    cut, inserted = draw(st.integers(0, 30)), draw(st.binary(max_size=30))
    return bytes(data[:at] + inserted + data[at + cut :])


@given(damaged() | st.binary(max_size=300))
@settings(max_examples=400)
def test_any_bytes_are_a_picture_or_a_refusal(data: bytes) -> None:
    try:
        picture = read(data)
    except InvalidRequest as refusal:
        assert str(refusal).startswith("IMAGE ")  # noqa: PT017
    else:
        assert picture.mode in ("RGB", "RGBA")
        assert 0 < picture.width * picture.height <= MAX_PIXELS
