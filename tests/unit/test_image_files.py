"""Pictures as files: every format, the recipe that the client reads back, previews that fit."""

import dataclasses
import hashlib
import io
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from qwen_client.recipes import read_recipe
from qwen_engine.image.outputs import encode, style_list
from qwen_engine.image.picture_output import PREVIEW_BYTES, encode_picture, encode_preview
from qwen_engine.image.recipe import RecipeInputs, checkpoint_name, recipe_inputs, write_recipe
from qwen_engine.image.request import ImageEvent, ImageRequest, Picture, Progress, Queued
from qwen_engine.image.settings import ImageSettings
from qwen_engine.messages import Outputs, as_objects
from qwen_wire.options import ImageOptions
from qwen_wire.pictures import StyleList

SETTINGS = ImageSettings(checkpoint="/data/image", edit_checkpoint="/data/image_edit")
REQUEST = ImageRequest("a red ring", width=48, height=32, steps=4, seed=7, true_cfg_scale=4.0)
RNG = np.random.default_rng(0)


def noise(wide: int = 48, high: int = 32) -> Image.Image:
    return Image.fromarray(RNG.integers(0, 256, (high, wide, 3), dtype=np.uint8))


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


@pytest.mark.parametrize(
    ("file_format", "quality", "exact"),
    [("png", None, True), ("webp", 100, True), ("webp", None, False), ("jpeg", None, False), ("jpeg", 100, False)],
)
def test_formats(file_format: str, quality: int | None, exact: bool) -> None:
    image = noise()
    file = opened(encode_picture(image, file_format, quality, "{}"))

    assert (file.format, file.size, file.mode) == (file_format.upper(), (48, 32), "RGB")
    assert (np.asarray(file) == np.asarray(image)).all() == exact


@pytest.mark.parametrize(("file_format", "quality"), [("png", None), ("webp", 100)])
def test_transparency_is_kept_to_the_last_bit(file_format: str, quality: int | None) -> None:
    image = Image.fromarray(RNG.integers(0, 256, (32, 48, 4), dtype=np.uint8))
    image.paste((10, 20, 30, 0), (0, 0, 20, 20))  # a colour that nobody sees
    file = opened(encode_picture(image, file_format, quality, "{}"))

    np.testing.assert_array_equal(np.asarray(file), np.asarray(image))


def test_a_jpeg_has_white_for_transparency() -> None:
    file = opened(encode_picture(Image.new("RGBA", (16, 16), (200, 0, 0, 0)), "jpeg", None, "{}"))

    assert (file.mode, file.getpixel((8, 8))) == ("RGB", (255, 255, 255))


@pytest.mark.parametrize("file_format", ["webp", "jpeg"])
def test_quality_costs_bytes(file_format: str) -> None:
    image = noise(200, 200)
    sizes = [len(encode_picture(image, file_format, quality, "{}")) for quality in (10, 50, None, 95)]

    assert sizes == sorted(sizes)
    assert sizes[0] < 0.5 * sizes[-1]


@given(
    st.text(max_size=60) | st.sampled_from(["你好，世界" * 300, '\x00\n\\"</x>', "🎨" * 500, "\x01" * 4000]),
    st.sampled_from(["png", "webp", "jpeg"]),
)
@settings(max_examples=60)
def test_a_recipe_comes_back_from_every_format(prompt: str, file_format: str) -> None:
    prompt = prompt.encode("utf-8", "replace").decode()  # what came over the wire was UTF-8
    options = ImageOptions(format=file_format)
    request = dataclasses.replace(REQUEST, prompt=prompt, negative_prompt=prompt)
    told = write_recipe(Picture(0, noise(), request, seed=9), recipe_inputs(options, "generate", SETTINGS, [], b""))
    recipe = read_recipe(encode_picture(noise(), file_format, None, told))

    assert (recipe.prompt, recipe.negative_prompt, recipe.seed, recipe.format) == (prompt, prompt, 9, file_format)
    assert (recipe.width, recipe.height, recipe.steps, recipe.true_cfg_scale) == (48, 32, 4, 4.0)
    assert (recipe.checkpoint, recipe.task, recipe.images_sha256, recipe.mask_sha256) == ("image", "generate", (), None)


def test_a_recipe_tells_the_checkpoint_and_the_files() -> None:
    options = ImageOptions(task="edit", style="anime", format="webp", quality=80)
    request = dataclasses.replace(REQUEST, task="edit", lora="ink", preset="fast", strength=0.5)
    drawn_from = recipe_inputs(options, "edit", SETTINGS, [b"one", b"two"], b"three")
    recipe = read_recipe(encode_picture(noise(), "webp", 80, write_recipe(Picture(0, noise(), request, 7), drawn_from)))

    assert recipe.checkpoint == "image_edit"
    assert recipe.images_sha256 == tuple(hashlib.sha256(file).hexdigest() for file in (b"one", b"two"))
    assert recipe.mask_sha256 == hashlib.sha256(b"three").hexdigest()
    assert (recipe.lora, recipe.preset, recipe.style, recipe.strength, recipe.quality) == (
        "ink", "fast", "anime", 0.5, 80,
    )  # fmt: skip


def test_checkpoints_of_the_hub_keep_their_name_and_revision() -> None:
    snapshot = "/cache/models--Qwen--Qwen-Image-2512/snapshots/0123456789abcdef0123"

    assert checkpoint_name(snapshot) == "Qwen/Qwen-Image-2512@0123456789ab"
    assert checkpoint_name("/somewhere/demo/checkpoints/image") == "image"


@pytest.mark.parametrize("size", [(8, 8), (166, 166), (400, 400), (1500, 1000)])
def test_previews_fit_however_much_there_is_to_see(size: tuple[int, int]) -> None:
    preview = encode_preview(noise(*size))

    assert len(preview) <= PREVIEW_BYTES
    assert opened(preview).format == "JPEG"
    assert opened(preview).size == size or size > (200, 200)


def told(event: ImageEvent | StyleList, asked: RecipeInputs) -> Outputs:
    return as_objects(encode(event, asked))


def test_events_as_payloads() -> None:
    drawn_from = recipe_inputs(ImageOptions(output_encoding="base64"), "generate", SETTINGS, [], b"")
    empty = {"IMAGE": b"", "TEXT": b""}

    assert told(Queued(position=3), drawn_from) == {**empty, "EVENT": {"index": 0, "type": "queued", "position": 3}}
    step = {"index": 0, "type": "progress", "picture": 1, "step": 2, "steps": 4, "eta_s": 0.5, "preview": False}
    assert told(Progress(1, 2, 4, 0.5), drawn_from) == {**empty, "EVENT": step}
    shown = told(Progress(1, 2, 4, None, noise(8, 8)), drawn_from)
    assert shown["EVENT"]["preview"] is True
    assert shown["IMAGE"].startswith(b"/9j/")  # base64 of a JPEG

    drawn = told(Picture(1, noise(), REQUEST, seed=8), drawn_from)
    assert drawn["TEXT"] == b"a red ring"
    assert drawn["IMAGE"].startswith(b"iVBORw0KGgo")
    size = {"width": 48, "height": 32}
    assert drawn["EVENT"] == {"index": 0, "type": "image", "picture": 1, **size, "seed": 8, "format": "png"}

    listed = told(style_list(), drawn_from)["EVENT"]
    assert listed["type"] == "styles"
    assert json.loads(json.dumps(listed)) == listed
