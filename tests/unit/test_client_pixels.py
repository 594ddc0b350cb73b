"""PIL's pictures of any mode: what the server reads of them shows what they show."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from fake_triton import FakeTriton
from PIL import Image, ImageCms, ImageDraw
from PIL.PngImagePlugin import PngInfo

from qwen_client import Client, InvalidRequest, read_recipe
from qwen_client.pictures import picture_bytes
from qwen_media.picture import read_picture

RED, GREEN, BLUE, GREY = (255, 0, 0), (0, 255, 0), (0, 0, 255), (128, 128, 128)
ORIENTATION = 0x0112
RECIPE = (
    '{"model": "qwen_image", "checkpoint": "", "task": "generate", "prompt": "a rïng", "width": 8, "height": 8, '
    '"steps": 3, "seed": 7, "format": "png"}'
)


def flags() -> Image.Image:
    """Four squares, each of one colour."""
    picture = Image.new("RGB", (16, 4))
    for number, colour in enumerate((RED, GREEN, BLUE, GREY)):
        picture.paste(colour, (4 * number, 0, 4 * number + 4, 4))
    return picture


def seen(picture: Image.Image) -> np.ndarray:
    """The pixels that the server reads, int64 [high, wide, 3 or 4]."""
    return np.asarray(read_picture(picture_bytes(picture), max_pixels=1_000_000)).astype(int)


def lab() -> Image.Image:
    srgb, profile = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    converted = ImageCms.profileToProfile(flags(), srgb, profile, outputMode="LAB")
    assert converted is not None
    return converted


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "RGBX", "RGBa", "CMYK", "YCbCr", "HSV", "LAB", "P", "PA"])
def test_colours_of_any_mode_are_kept(mode: str) -> None:
    if mode == "LAB":
        picture = lab()
    elif mode in ("PA", "RGBa"):
        picture = flags().quantize().convert("PA") if mode == "PA" else flags().convert("RGBA").convert("RGBa")
    else:
        picture = flags().quantize() if mode == "P" else flags().convert(mode)

    assert picture.mode == mode
    pixels = seen(picture)
    np.testing.assert_allclose(pixels[..., :3], np.asarray(flags()).astype(int), atol=25 if mode == "LAB" else 3)
    assert (pixels[..., 3:] == 255).all()


@pytest.mark.parametrize("mode", ["1", "L", "LA", "La", "I", "F", "I;16", "I;16L", "I;16B", "I;16N"])
def test_greys_of_any_mode_are_kept(mode: str) -> None:
    steps = np.array([[0, 255]] if mode == "1" else [[0, 51, 128, 255]], np.uint8)
    picture = Image.fromarray(steps)
    if mode.startswith("I;16"):
        order = ">u2" if mode == "I;16B" else "<u2"
        picture = Image.frombytes(mode, picture.size, (steps.astype(np.uint16) * 257).astype(order).tobytes())
    elif mode == "La":
        picture = picture.convert("LA").convert("La")
    else:
        picture = picture.convert(mode)

    assert picture.mode == mode
    assert seen(picture)[0, :, 0].tolist() == steps[0].tolist()


@pytest.mark.parametrize(
    ("mode", "numbers", "expected"),
    [
        ("F", [0.0, 0.5, 1.0], [0, 128, 255]),
        ("F", [0.0, 1.0, 200.4], [0, 1, 200]),
        ("F", [0.0, 32_896.0, 65_535.0], [0, 128, 255]),
        ("I", [0, 1, 200], [0, 1, 200]),
        ("I", [0, 32_896, 65_535], [0, 128, 255]),
        ("I;16", [0, 255, 65_535], [0, 1, 255]),
        ("I;16", [0, 100, 200], [0, 0, 1]),
    ],
)
def test_brightness_has_the_scale_of_its_numbers(mode: str, numbers: list[float], expected: list[int]) -> None:
    dtype = {"F": np.float32, "I": np.int32, "I;16": np.uint16}[mode]
    assert seen(Image.fromarray(np.array([numbers], dtype)))[0, :, 0].tolist() == expected


@pytest.mark.parametrize(
    ("picture", "complaint"),
    [
        (Image.fromarray(np.array([[0.0, np.nan]], np.float32)), "mode F, holds numbers that are not finite"),
        (Image.fromarray(np.array([[0.0, np.inf]], np.float32)), "mode F, holds numbers that are not finite"),
        (Image.fromarray(np.array([[-1.0, 1.0]], np.float32)), "mode F, holds numbers from -1 to 1; allowed are 0 to"),
        (Image.fromarray(np.array([[0, 70_000]], np.int32)), "mode I, holds numbers from 0 to 70000; allowed are"),
        (Image.new("RGB", (0, 4)), "has 0 x 4 pixels"),
    ],
)
def test_what_is_no_picture_is_refused(picture: Image.Image, complaint: str) -> None:
    with pytest.raises(InvalidRequest, match=complaint):
        picture_bytes(picture)


def test_a_damaged_file_that_pil_has_opened_is_refused() -> None:
    file = io.BytesIO()
    Image.effect_noise((64, 64), 90).save(file, "JPEG")
    picture = Image.open(io.BytesIO(file.getvalue()[:900]))
    with pytest.raises(InvalidRequest, match="cannot be read: image file is truncated"):
        picture_bytes(picture)


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photograph_is_upright_as_its_file_is(orientation: int, file_format: str, tmp_path: Path) -> None:
    photo = Image.new("RGB", (48, 32), "white")
    ImageDraw.Draw(photo).rectangle((0, 0, 20, 10), "red")
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    path = tmp_path / "photo"
    photo.save(path, file_format, exif=exif)
    with Image.open(path) as opened:
        handed = seen(opened)

    if file_format != "TIFF":  # the server takes none
        by_path = read_picture(picture_bytes(path), max_pixels=10_000)
        np.testing.assert_array_equal(handed, np.asarray(by_path))
    assert handed.shape[:2] == ((32, 48) if orientation < 5 else (48, 32))


def test_transparency_is_kept() -> None:
    palette = Image.new("P", (2, 1), 0)
    palette.putpalette([255, 0, 0, 0, 255, 0])
    palette.putpixel((1, 0), 1)
    of_alpha = Image.new("RGBA", (2, 1), (255, 0, 0, 255))
    of_alpha.putpixel((1, 0), (0, 255, 0, 0))

    pictures = {mode: palette.convert("RGB") for mode in ("one colour", "one number", "bytes", "16 bits")}
    pictures["one colour"].info["transparency"] = GREEN
    pictures["one number"] = palette.copy()
    pictures["one number"].info["transparency"] = 1
    pictures["bytes"] = palette.copy()
    pictures["bytes"].info["transparency"] = b"\xff\x00"
    pictures["16 bits"] = Image.fromarray(np.array([[65_535, 40_000]], np.uint16))
    pictures["16 bits"].info["transparency"] = 40_000
    pictures["RGBa"] = of_alpha.convert("RGBa")
    pictures["La"] = of_alpha.convert("LA").convert("La")
    pictures["PA"] = of_alpha.convert("PA")
    for name, picture in pictures.items():
        assert seen(picture)[0, :, 3].tolist() == [255, 0], name


def test_a_files_profile_is_not_sent(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, 2_000_000, dtype=np.uint8).tobytes()
    flags().save(tmp_path / "x.jpg", icc_profile=noise, quality=95)
    with Image.open(tmp_path / "x.jpg") as picture:
        assert len(picture_bytes(picture)) < 10_000


def test_every_door_takes_them(client: Client, triton: FakeTriton) -> None:
    ink = flags().convert("CMYK")
    client.image.edit([ink, lab()], "make it green", mask=Image.new("I", (16, 4), 255))
    client.vision.describe(ink)

    edit, describe = triton.received
    for sent in (*edit.inputs["IMAGE"], edit.inputs["MASK"], describe.inputs["IMAGE"]):
        assert read_picture(sent, max_pixels=1000).size == (16, 4)


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


TEXTS = {
    "plain": chunk(b"tEXt", b"qwen_recipe\0" + RECIPE.encode("latin-1")),
    "packed": chunk(b"zTXt", b"qwen_recipe\0\0" + zlib.compress(RECIPE.encode("latin-1"))),
    "international": chunk(b"iTXt", b"qwen_recipe\0\0\0\0\0" + RECIPE.encode()),
    "international, packed": chunk(b"iTXt", b"qwen_recipe\0\1\0en\0r\0" + zlib.compress(RECIPE.encode())),
}
BULK = chunk(b"tEXt", b"comment\0" + b"x" * 3_000_000) + chunk(b"iCCP", b"p\0\0" + zlib.compress(bytes(50_000_000)))


@pytest.mark.parametrize("case", TEXTS)
def test_a_recipe_is_read_beside_anything_else(case: str, tmp_path: Path) -> None:
    file = io.BytesIO()
    flags().save(file, "PNG")
    data = file.getvalue()
    for text in (BULK + TEXTS[case], TEXTS[case] + BULK):
        before, behind = data[:33] + text + data[33:], data[:-12] + text + data[-12:]
        for made in (before, behind):
            (tmp_path / "x.png").write_bytes(made)
            for given in (made, io.BytesIO(made), tmp_path / "x.png"):
                assert (read_recipe(given).prompt, read_recipe(made).seed) == ("a rïng", 7)


@pytest.mark.parametrize(
    "text",
    [
        chunk(b"zTXt", b"qwen_recipe\0\0" + zlib.compress(bytes(50_000_000))),
        chunk(b"zTXt", b"qwen_recipe\0\0garbage"),
        chunk(b"iTXt", b"qwen_recipe\0\0"),
        chunk(b"iTXt", b"qwen_recipe\0\0\0\0\0\xff"),
        chunk(b"tEXt", b"qwen_recipe\0{}"),
        chunk(b"tEXt", b"qwen_recipe"),
    ],
)
def test_a_recipe_that_cannot_be_read_says_so(text: bytes) -> None:
    file = io.BytesIO()
    flags().save(file, "PNG")
    with pytest.raises(InvalidRequest, match=r"the picture (holds|cannot be read)"):
        read_recipe(file.getvalue()[:33] + text + file.getvalue()[33:])


def test_a_picture_of_more_pixels_than_pil_takes_has_no_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.BytesIO()
    flags().save(file, "WEBP")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 8)
    with pytest.raises(InvalidRequest, match="cannot be read as a picture"):
        read_recipe(file.getvalue())


def test_recipes_of_the_servers_own_pictures(client: Client) -> None:
    text = PngInfo()
    text.add_text("comment", "x" * 2_000_000, zip=True)
    picture = client.image.generate("a red circle", seed=5)
    file = io.BytesIO()
    picture.image.save(file, "PNG", pnginfo=text)
    assert picture.recipe.seed == 5
    with pytest.raises(InvalidRequest, match="holds no recipe"):
        read_recipe(file.getvalue())
