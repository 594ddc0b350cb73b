"""Pictures through the SDK, the CLI and plain HTTP: drawn, varied, edited, painted over, and drawn again."""

import asyncio
import io
import json
import os
import re
import subprocess
import sys
from base64 import b64decode
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from demo.training.pictures import Figure, draw
from qwen_client import AsyncClient, Client, InvalidRequest, Picture, Progress, read_recipe

HOME = Path(__file__).resolve().parents[2]
QWEN = Path(sys.prefix) / "bin" / "qwen"
PROMPT = "A large green star on a white background."
RED, BLUE = (220, 30, 30), (30, 60, 220)
ROUNDING = 1  # of 255: batch mates may change a colour's last bit
FORMATS = [("png", None), ("jpeg", None), ("jpeg", 40), ("webp", None), ("webp", 100)]


def pixels(picture: Picture | Image.Image) -> np.ndarray:
    image = picture.image if isinstance(picture, Picture) else picture
    return np.asarray(image.convert("RGB")).astype(int)


def assert_same(first: Picture | Image.Image, second: Picture | Image.Image, tolerance: int = ROUNDING) -> None:
    assert pixels(first).shape == pixels(second).shape
    assert np.abs(pixels(first) - pixels(second)).max() <= tolerance


@pytest.fixture(scope="module")
def circle() -> Image.Image:
    """A red circle on a blue background."""
    return Image.fromarray(draw(Figure("circle", RED, BLUE, (32.0, 32.0), 18.0)))


@pytest.fixture(scope="module")
def left_half() -> Image.Image:
    """A mask of the left half."""
    mask = Image.new("L", (64, 64), 0)
    mask.paste(255, (0, 0, 32, 64))
    return mask


def test_every_step_of_every_picture_is_an_event(client):
    with client.image.stream(PROMPT, n=2, steps=4, seed=5, preview_every=2) as stream:
        events = list(stream)
    steps = [(event.picture, event.step, event.steps) for event in events if isinstance(event, Progress)]
    assert sorted(steps) == [(picture, step, 4) for picture in range(2) for step in range(1, 5)]
    pictures = [event for event in events if isinstance(event, Picture)]
    assert [(picture.picture, picture.seed) for picture in pictures] == [(0, 5), (1, 6)]
    assert isinstance(events[-1], Picture)
    assert (stream.finish_reason, stream.request_id) == ("stop", pictures[0].request_id)


def test_previews_grow_into_the_picture(client):
    told: list[Progress] = []
    picture = client.image.generate(PROMPT, steps=12, seed=5, preview_every=3, on_progress=told.append)
    shown = [event for event in told if event.preview_jpeg is not None]
    assert {event.step for event in shown} <= {3, 6, 9, 12}
    assert len(shown) >= 3
    assert all(len(event.preview_jpeg) <= 20_000 and event.preview.format == "JPEG" for event in shown)
    small = picture.image.resize(shown[0].preview.size, Image.Resampling.BOX)
    first, last = (np.abs(pixels(event.preview) - pixels(small)).mean() for event in (shown[0], shown[-1]))
    assert last < first
    assert last < 40


def test_pictures_of_one_request_are_those_of_their_seeds(client):
    together = client.image.generate(PROMPT, n=3, steps=3, seed=8)
    assert len({picture.data for picture in together.all}) == 3
    for picture in together.all:
        assert_same(picture, client.image.generate(PROMPT, steps=3, seed=picture.seed))


def test_without_a_seed_there_is_a_random_one_that_draws_the_picture_again(client):
    first, second = (client.image.generate(PROMPT, steps=3) for _ in range(2))
    assert first.seed != second.seed
    assert not np.array_equal(pixels(first), pixels(second))
    assert first.recipe.seed == first.seed
    assert_same(client.image.generate(PROMPT, steps=3, seed=first.seed), first)
    assert_same(client.image.regenerate(second.data), second)


def test_seeds_begin_anew_after_the_largest_one(client):
    last, first = client.image.generate(PROMPT, steps=2, seed=2**63 - 1, n=2).all
    assert (last.seed, first.seed) == (2**63 - 1, 0)
    assert_same(client.image.regenerate(last.data), last)
    assert_same(client.image.generate(PROMPT, steps=2, seed=0), first)


@pytest.mark.parametrize("file_format", ["png", "jpeg", "webp"])
def test_a_file_without_a_recipe_tells_nothing(client, file_format):
    secret = "A large green star on a white background for Anna."
    named, silent = (
        client.image.generate(secret, steps=2, seed=4, format=file_format, recipe=recipe) for recipe in (True, False)
    )
    assert_same(named, silent)
    assert (silent.prompt, silent.seed) == (secret, 4)  # the answer tells them still
    assert b"Anna" in named.data
    assert b"Anna" not in silent.data
    assert not silent.image.getexif()
    assert silent.image.info.get("qwen_recipe") is None
    with pytest.raises(InvalidRequest, match="holds no recipe"):
        client.image.regenerate(silent.data)


@pytest.mark.parametrize(("file_format", "quality"), FORMATS)
def test_a_file_draws_itself_again(client, tmp_path, file_format, quality):
    options = {"steps": 3, "seed": 2, "true_cfg_scale": 2.0, "negative_prompt": "A circle."}
    picture = client.image.generate(PROMPT, size=(80, 48), format=file_format, quality=quality, **options)
    assert (picture.format, picture.image.format) == (file_format, file_format.upper())
    picture.save(tmp_path / f"star.{file_format}")
    recipe = read_recipe(tmp_path / f"star.{file_format}")
    assert (recipe.prompt, recipe.checkpoint, recipe.task) == (PROMPT, "image", "generate")
    assert {name: getattr(recipe, name) for name in options} == options
    assert client.image.regenerate(tmp_path / f"star.{file_format}").data == picture.data


def test_a_style_adds_words_in_the_prompt_s_language(client):
    names = [style.name for style in client.image.styles()]
    assert len(names) >= 14
    assert {"photorealistic", "anime", "oil_painting", "watercolour", "ink_wash", "pixel_art", "sketch_notes"} <= set(
        names
    )
    styled = client.image.generate("a red ring", style="ink_wash", steps=2, seed=0)
    assert styled.prompt.startswith("a red ring, Chinese ink wash painting")
    assert_same(styled, client.image.generate(styled.prompt, steps=2, seed=0), 0)
    again = client.image.regenerate(styled.data)
    assert_same(styled, again, 0)
    assert again.recipe == styled.recipe
    assert client.image.generate("红色的圆环", style="ink_wash", steps=2).prompt.startswith("红色的圆环，中国水墨画")


@pytest.mark.parametrize(("aspect", "size"), [("1:1", (64, 64)), ("16:9", (80, 48)), ("9:16", (48, 80))])
def test_aspect_ratios(client, aspect, size):
    assert client.image.generate(PROMPT, size=aspect, steps=2).image.size == size


def test_little_strength_keeps_a_picture_and_much_does_not(client, circle):
    kept = client.image.vary(circle, PROMPT, strength=0.2, seed=0)
    changed = client.image.vary(circle, PROMPT, strength=1.0, seed=0)
    assert np.abs(pixels(kept) - pixels(circle)).mean() < 0.5 * np.abs(pixels(changed) - pixels(circle)).mean()
    assert_same(client.image.regenerate(kept.data, images=circle), kept)


def test_a_picture_keeps_its_size_and_the_way_it_was_held(client):
    wide = Image.fromarray(np.random.default_rng(0).integers(0, 255, (48, 96, 3), dtype=np.uint8))
    assert client.image.vary(wide, PROMPT, strength=0.3).image.size == (96, 48)
    exif, file = Image.Exif(), io.BytesIO()
    exif[0x0112] = 6  # the camera was turned by 90 degrees
    wide.save(file, "JPEG", exif=exif)
    assert client.image.vary(file.getvalue(), PROMPT, strength=0.3).image.size == (48, 96)


def test_inpainting_leaves_the_rest_as_it_was_however_the_mask_is_given(client, circle, left_half):
    painted = client.image.inpaint(circle, left_half, PROMPT, seed=3)
    np.testing.assert_array_equal(pixels(painted)[:, 32:], pixels(circle)[:, 32:])
    assert np.abs(pixels(painted)[:, :32] - pixels(circle)[:, :32]).mean() > 20

    hole = circle.convert("RGBA")
    hole.putalpha(left_half.point(lambda value: 255 - value))
    assert_same(client.image.inpaint(circle, hole, PROMPT, seed=3), painted)
    filled = client.image.inpaint(hole, None, PROMPT, seed=3)
    np.testing.assert_array_equal(pixels(filled)[:, 32:], pixels(circle)[:, 32:])
    assert_same(client.image.regenerate(painted.data, images=circle, mask=left_half), painted)


def test_inpainting_keeps_a_photograph_of_any_size_and_draws_it_again(client):
    rng = np.random.default_rng(1)
    photograph = Image.fromarray(rng.integers(0, 256, (250, 187, 4), dtype=np.uint8))
    mask = Image.new("L", (187, 250))
    mask.paste(255, (20, 30, 90, 120))
    inside = np.asarray(mask) > 0
    exif, file = Image.Exif(), io.BytesIO()
    exif[0x0112] = 6  # the camera was turned by 90 degrees
    photograph.transpose(Image.Transpose.ROTATE_90).save(file, "PNG", exif=exif)
    painted = client.image.inpaint(file.getvalue(), mask, PROMPT, seed=3, steps=2, n=2)
    for picture in painted.all:
        assert (picture.width, picture.height) == picture.image.size == (187, 250)
        np.testing.assert_array_equal(np.asarray(picture.image)[~inside], np.asarray(photograph)[~inside])
        assert (picture.recipe.width, picture.recipe.height) == (187, 250)
    again = client.image.regenerate(painted.data, images=file.getvalue(), mask=mask)
    assert_same(again, painted)
    edited = client.image.edit(photograph, "make it green", mask=mask, steps=2)
    np.testing.assert_array_equal(np.asarray(edited.image)[~inside], np.asarray(photograph)[~inside])


def test_an_instruction_changes_what_it_names(client, circle):
    edited = client.image.edit(circle, "make the circle green", seed=0)
    red, green, blue = pixels(edited)[24:40, 24:40].reshape(-1, 3).mean(axis=0)
    assert green > red + 40
    assert green > blue + 40
    background = pixels(edited)[:8].reshape(-1, 3).mean(axis=0)
    assert background[2] > background[:2].max() + 40
    assert edited.recipe.task == "edit"
    assert_same(client.image.regenerate(edited.data, images=circle), edited)


def test_an_edit_within_a_mask_and_one_with_two_pictures(client, circle, left_half):
    edited = client.image.edit(circle, "make the circle green", mask=left_half)
    np.testing.assert_array_equal(pixels(edited)[:, 32:], pixels(circle)[:, 32:])
    other = client.image.generate(PROMPT, steps=2)
    both = client.image.edit([circle, other], "make the circle green", steps=2)
    assert both.image.size == (64, 64)
    assert len(both.recipe.images_sha256) == 2


def test_a_request_that_is_left_changes_no_other(server):
    async def use() -> None:
        async with AsyncClient(server.address.grpc) as client:
            alone = await client.image.generate(PROMPT, steps=3, seed=1)
            async with client.image.stream(PROMPT, steps=50, n=2) as stream:
                while not isinstance(await anext(stream), Progress):
                    pass
                beside = await client.image.generate(PROMPT, steps=3, seed=1)
            after = await client.image.generate(PROMPT, steps=3, seed=1)
            assert_same(beside, alone)
            assert_same(after, alone, 0)
            assert "anime" in {style.name for style in await client.image.styles()}

    asyncio.run(use())


def test_a_short_request_overtakes_a_long_one(client):
    """It asks for less, so it is done first, though it came later."""
    with client.image.stream(PROMPT, steps=50) as long:
        next(long)
        client.image.generate(PROMPT, steps=2)
        steps = [event.step for event in long if isinstance(event, Progress)]
    assert len(steps) >= 20


CURLS = re.findall(
    r"^(curl|printf)( .*/qwen_image/.*)$", (HOME / "docs" / "wire-protocol.md").read_text(), re.MULTILINE
)


def events_of(lines: str) -> list[tuple[dict, bytes]]:
    answers = [json.loads(line.removeprefix("data: ")) for line in lines.splitlines() if line]
    return [(json.loads(answer["EVENT"]), b64decode(answer["IMAGE"])) for answer in answers]


def test_the_documented_curl_commands_draw(server, circle, tmp_path):
    (tmp_path / "tests" / "recorded").mkdir(parents=True)
    circle.save(tmp_path / "tests" / "recorded" / "circle.png")
    (tmp_path / "out").mkdir()

    def run(program: str, arguments: str) -> str:
        command = f"{program}{arguments}".replace("127.0.0.1:8000", server.address.http.removeprefix("http://"))
        done = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, timeout=120, check=True)
        return done.stdout.decode()

    [whole] = [curl for curl in CURLS if "/generate_stream" not in curl[1]]
    run(*whole)
    with Image.open(tmp_path / "out" / "circle.png") as drawn:
        assert drawn.size == (64, 64)
    streamed = [curl for curl in CURLS if curl != whole]
    assert len(streamed) == 2
    for number, curl in enumerate(streamed):
        events = events_of(run(*curl))
        kinds = [event["type"] for event, _ in events if event["type"] != "queued"]
        assert kinds == ["progress"] * (len(kinds) - 2) + ["image", "end"]
        assert [event["index"] for event, _ in events] == list(range(len(events)))
        assert Image.open(io.BytesIO(events[-2][1])).size == (64, 64)
        assert [event["step"] for event, _ in events if event.get("preview")] == ([4, 8] if number == 0 else [])


def test_the_command_line(server, circle, tmp_path):
    def qwen(*arguments: object) -> str:
        environment = {**os.environ, "QWEN_URL": server.address.grpc}
        command = [QWEN, *map(str, arguments)]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
        return done.stdout

    files = qwen(
        "draw", PROMPT, "--n", 4, "--seed", 7, "--contact-sheet", "--steps", 4, "--preview", "so-far.jpg"
    ).split()
    assert files == [*(f"picture-{seed}.png" for seed in range(7, 11)), "picture-sheet.png"]
    with Image.open(tmp_path / "picture-sheet.png") as sheet, Image.open(tmp_path / "so-far.jpg") as preview:
        assert sheet.size > (128, 128)
        assert preview.format == "JPEG"
    assert json.loads(qwen("recipe", "picture-8.png"))["seed"] == 8
    circle.save(tmp_path / "in.png")
    assert qwen("edit", "in.png", "make the circle green", "-o", "out.webp", "--steps", 3) == "out.webp\n"
    assert json.loads(qwen("recipe", "out.webp"))["task"] == "edit"
    assert qwen("styles").startswith("photorealistic\t")


def test_a_client_that_closes_in_mid_run_harms_no_other(server):
    with Client(server.address.grpc) as closing, Client(server.address.grpc) as staying:
        stream = closing.image.stream(PROMPT, steps=50)
        next(stream)
        closing.close()
        assert staying.image.generate(PROMPT, steps=2).image.size == (64, 64)
