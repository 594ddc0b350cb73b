"""Pictures that callers send: read within limits, or refused by name."""

import io
import struct
import zlib
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from qwen_engine.files import media_errors, picture_decoders
from qwen_engine.image.picture_input import on_white, read_mask, transparency
from qwen_engine.image.settings import ImageSettings
from qwen_media.decoders import Decoders
from qwen_media.errors import BadMedia
from qwen_media.picture import read_picture
from qwen_media.pool import DecoderPool
from qwen_media.process import Task
from qwen_wire.errors import InvalidRequest

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


@pytest.fixture(scope="module")
def decoders() -> Iterator[Decoders]:
    with picture_decoders(ImageSettings(checkpoint="image")) as made:
        yield made


def read(data: bytes, max_pixels: int = MAX_PIXELS) -> Image.Image:
    with media_errors("IMAGE"):
        return read_picture(data, max_pixels=max_pixels)


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


@pytest.mark.parametrize("height", [1, 256, 600])
def test_tall_pictures_become_white_as_a_whole(height: int) -> None:
    picture = Image.effect_noise((7, height), 90).convert("RGBA")
    picture.putalpha(Image.effect_noise((7, height), 90))
    whole = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")
    assert on_white(picture).tobytes() == whole.tobytes()


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


def test_masks_by_brightness_and_by_transparency(decoders: Decoders) -> None:
    white_left = Image.new("L", (48, 32), 0)
    white_left.paste(255, (0, 0, 24, 32))
    hole_left = gradient("RGBA")
    hole_left.putalpha(white_left.point(lambda value: 255 - value))
    for mask in (white_left, white_left.convert("RGB"), white_left.convert("1"), hole_left):
        read_back = read_mask(encoded(mask), "MASK", decoders, size=(48, 32), max_pixels=MAX_PIXELS)
        assert read_back.mode == "L"
        np.testing.assert_array_equal(np.asarray(read_back), np.asarray(white_left))


def test_a_mask_of_another_size_is_refused(decoders: Decoders) -> None:
    with pytest.raises(InvalidRequest, match="MASK has 32 x 48 pixels, its picture 48 x 32: send a mask of"):
        read_mask(encoded(gradient(size=(32, 48))), "MASK", decoders, size=(48, 32), max_pixels=MAX_PIXELS)


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


def with_chunks(picture: Image.Image, *chunks: bytes) -> bytes:
    """A PNG of `picture` with further chunks between its header and its pixels, and once more behind these."""
    data = encoded(picture)
    return data[:33] + b"".join(chunks) + data[33:-12] + b"".join(chunks) + data[-12:]


def raw_png(depth: int, colour_type: int, row: bytes, *chunks: bytes, width: int) -> bytes:
    """A PNG of one row as the format's own text describes it."""
    header = struct.pack(">IIBBBBB", width, 1, depth, colour_type, 0, 0, 0)
    parts = [
        png_chunk(b"IHDR", header),
        *chunks,
        png_chunk(b"IDAT", zlib.compress(b"\0" + row)),
        png_chunk(b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


MUCH = bytes(np.random.default_rng(0).integers(0, 256, 3_000_000, dtype=np.uint8))
BOMB = zlib.compress(bytes(100_000_000))
BULKY = {
    "text": png_chunk(b"tEXt", b"comment\0" + b"x" * 3_000_000),
    "packed text": png_chunk(b"zTXt", b"comment\0\0" + zlib.compress(MUCH)),
    "text that grows": png_chunk(b"zTXt", b"comment\0\0" + BOMB),
    "profile": png_chunk(b"iCCP", b"profile\0\0" + zlib.compress(MUCH)),
    "profile that grows": png_chunk(b"iCCP", b"profile\0\0" + BOMB),
    "profile packed otherwise": png_chunk(b"iCCP", b"profile\0\7" + MUCH),
    "international text": png_chunk(b"iTXt", b"comment\0\1\0\0\0" + BOMB),
    "many texts": b"".join(png_chunk(b"tEXt", b"comment\0" + b"x" * 900_000) for _ in range(80)),
    "a program's own": png_chunk(b"prVt", MUCH),
    "how it was held, that grows": png_chunk(b"zTXt", b"Raw profile type exif\0\0" + BOMB),
    "how it was held, packed": png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + BOMB),
    "a wrong checksum": png_chunk(b"tEXt", b"comment\0hello")[:-1] + b"?",
}


@pytest.mark.parametrize("case", BULKY)
def test_what_does_not_show_in_a_png_does_not_matter(case: str) -> None:
    for mode in ("RGB", "P"):
        picture = read(with_chunks(gradient(mode), BULKY[case]))
        np.testing.assert_array_equal(np.asarray(picture), np.asarray(gradient(mode).convert("RGB")))


def test_a_text_of_pillows_own_does_not_matter() -> None:
    assert read(text_bomb()).size == (48, 32)


@pytest.mark.parametrize("file_format", ["JPEG", "WEBP"])
def test_a_large_profile_in_other_formats(file_format: str) -> None:
    assert read(encoded(gradient(), file_format, icc_profile=MUCH)).size == (48, 32)


def test_how_the_camera_was_held_stands_in_texts_too() -> None:
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    tiff = exif.tobytes()
    told = f"\nexif\n{len(tiff):8d}\n{tiff.hex()}\n".encode()
    for chunk in (
        png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp),
        png_chunk(b"tEXt", b"Raw profile type exif\0" + told),
        png_chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(told)),
    ):
        assert read(with_chunks(gradient(), chunk)).size == (32, 48)


def test_more_chunks_than_any_picture_has() -> None:
    with pytest.raises(InvalidRequest, match="cannot be read as a picture"):
        read(with_chunks(gradient(), png_chunk(b"tEXt", b"") * 200_000))


TRANSPARENT = {
    "grey, 1 bit": (raw_png(1, 0, b"\x80", png_chunk(b"tRNS", b"\0\1"), width=2), [(255, 0), (0, 255)]),
    "grey, 2 bits": (raw_png(2, 0, b"\x60", png_chunk(b"tRNS", b"\0\2"), width=2), [(85, 255), (170, 0)]),
    "grey, 4 bits": (raw_png(4, 0, b"\x1f", png_chunk(b"tRNS", b"\0\1"), width=2), [(17, 0), (255, 255)]),
    "grey, 8 bits": (raw_png(8, 0, b"\x01\xff", png_chunk(b"tRNS", b"\0\1"), width=2), [(1, 0), (255, 255)]),
    "grey, 16 bits": (
        raw_png(16, 0, b"\x80\x80\x80\x81", png_chunk(b"tRNS", b"\x80\x80"), width=2),
        [(128, 0), (128, 255)],
    ),
    "grey and alpha, 16 bits": (raw_png(16, 4, b"\xff\xff\0\0\x80\0\xff\xff", width=2), [(255, 0), (128, 255)]),
}


@pytest.mark.parametrize("case", TRANSPARENT)
def test_transparent_greys(case: str) -> None:
    data, expected = TRANSPARENT[case]
    picture = read(data)
    assert [(grey, alpha) for grey, _, _, alpha in np.asarray(picture)[0].tolist()] == expected


def test_transparent_colours() -> None:
    red, green = b"\xff\xff\0\0\0\0", b"\0\0\x80\x12\0\0"
    for value, expected in ((red, [0, 255]), (green, [255, 0])):
        picture = read(raw_png(16, 2, red + green, png_chunk(b"tRNS", value), width=2))
        assert np.asarray(picture)[0, :, 3].tolist() == expected

    palette = png_chunk(b"PLTE", bytes([255, 0, 0, 0, 128, 0, 0, 0, 255])) + png_chunk(b"tRNS", bytes([255, 128]))
    picture = read(raw_png(8, 3, bytes([0, 1, 2]), palette, width=3))
    assert np.asarray(picture)[0].tolist() == [[255, 0, 0, 255], [0, 128, 0, 128], [0, 0, 255, 255]]


@pytest.mark.parametrize(
    ("ink", "seen"),
    [
        ((0, 255, 255, 0), (255, 0, 0)),
        ((255, 0, 255, 0), (0, 255, 0)),
        ((0, 0, 0, 255), (0, 0, 0)),
        ((0,) * 4, (255,) * 3),
    ],
)
def test_printers_colours_are_seen_right(ink: tuple[int, ...], seen: tuple[int, ...]) -> None:
    picture = read(encoded(Image.new("CMYK", (16, 16), ink), "JPEG", quality=95))  # inverted, as Adobe does it
    assert np.abs(np.asarray(picture).astype(int) - seen).max() <= 2


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


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "1"])
@pytest.mark.parametrize("file_format", ["PNG", "WEBP"])
def test_a_process_decodes_what_this_one_does(decoders: Decoders, file_format: str, mode: str) -> None:
    data = encoded(gradient(mode), file_format, lossless=True)
    picture, here = decoders.picture(data, max_pixels=MAX_PIXELS), read(data)

    assert (picture.mode, picture.size) == (here.mode, here.size)
    np.testing.assert_array_equal(np.asarray(picture), np.asarray(here))


def test_the_largest_picture_that_is_allowed_fits_into_a_process(decoders: Decoders) -> None:
    """With all that turning it, and 16 bits of grey, take at one time."""
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    size = ImageSettings(checkpoint="image").max_input_pixels
    side = int(size**0.5)
    for picture in (
        Image.new("RGBA", (side, side), "#8080"),
        Image.fromarray(np.full((side, side), 40_000, np.uint16)),
    ):
        data = encoded(picture, exif=exif.tobytes(), compress_level=1)
        assert decoders.picture(data, max_pixels=size).size == (side, side)


def test_pixels_that_need_too_much_memory_are_a_refusal() -> None:
    with DecoderPool(["picture"], num_workers=1, max_waiting=1) as pool:
        data = encoded(Image.new("RGB", (3000, 3000)))
        task = Task("picture", data, {"max_pixels": 10**7}, output_bytes=4 * 10**7, memory_bytes=0, timeout_s=60.0)
        with pytest.raises(BadMedia, match="too much memory"):
            pool.run(task)
        small = Task("picture", encoded(gradient()), {"max_pixels": 10**7}, 4 * 10**7, 1 << 28, 60.0)
        assert pool.run(small).result["size"] == [48, 32]
