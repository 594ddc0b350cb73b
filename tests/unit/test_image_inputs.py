"""From OPTIONS and files to the engine's request: what is meant, which size, in which style."""

import io
import json
import math
from base64 import b64encode
from collections.abc import Iterator
from typing import Any, get_args

import pytest
from PIL import Image

from qwen_engine.files import picture_decoders
from qwen_engine.image.inputs import read_request
from qwen_engine.image.request import ImageRequest
from qwen_engine.image.settings import ImageSettings
from qwen_engine.image.sizes import aspect_size
from qwen_engine.image.styles import language_of, styled, styles
from qwen_media.decoders import Decoders
from qwen_wire.errors import InvalidRequest
from qwen_wire.options import Aspect, ImageOptions

SETTINGS = ImageSettings(checkpoint="image", width=64, height=64, max_input_pixels=16_400 * 400, max_references=2)

open_decoders: list[Decoders] = []


@pytest.fixture(scope="module", autouse=True)
def _decoder_processes() -> Iterator[None]:
    with picture_decoders(SETTINGS) as decoders:
        open_decoders[:] = [decoders]
        yield


def encoded(size: tuple[int, int] = (32, 32), colour: str = "red", mode: str = "RGB") -> bytes:
    file = io.BytesIO()
    Image.new(mode, size, colour).save(file, "PNG")
    return file.getvalue()


RED, BLUE, MASK, HOLE = encoded(), encoded(colour="blue"), encoded(colour="white"), encoded(colour="#0000", mode="RGBA")

LONG = encoded((16_400, 400))


def asked(images: tuple[bytes, ...] = (), mask: bytes = b"", prompt: str = "a ring", **options: Any) -> ImageRequest:
    return read_request(prompt, ImageOptions(**options), images, mask, SETTINGS, *open_decoders)[0]


@pytest.mark.parametrize(
    ("task", "images", "mask", "options"),
    [
        ("generate", (), b"", {}),
        ("generate", (b"",), b"", {}),
        ("edit", (RED,), b"", {}),
        ("edit", (RED, BLUE), b"", {}),
        ("vary", (RED,), b"", {"strength": 0.5}),
        ("inpaint", (RED,), MASK, {}),
        ("inpaint", (RED,), MASK, {"strength": 0.5}),
        ("edit", (RED,), MASK, {"task": "edit"}),
        ("vary", (RED,), b"", {"task": "vary"}),
        ("inpaint", (HOLE,), b"", {"task": "inpaint"}),
        ("edit", (HOLE,), b"", {}),
    ],
)
def test_the_task_is_what_the_inputs_are_meant_for(
    task: str, images: tuple[bytes, ...], mask: bytes, options: dict[str, Any]
) -> None:
    request = asked(images, mask, **options)

    assert request.task == task
    assert len(request.images) == sum(image != b"" for image in images)
    assert all(image.mode == "RGB" for image in request.images)
    assert (request.mask is not None) == (bool(mask) or task == "inpaint")


def test_everything_that_is_asked_for_reaches_the_engine() -> None:
    request = asked(
        (RED, BLUE), width=48, height=32, steps=3, seed=4, n=2, negative_prompt="grey", true_cfg_scale=2.0,
        strength=0.5, task="edit", preset="fast", lora="ink", preview_every=2,
    )  # fmt: skip

    assert (request.width, request.height, request.steps, request.seed, request.num_images) == (48, 32, 3, 4, 2)
    assert (request.negative_prompt, request.true_cfg_scale, request.strength) == ("grey", 2.0, 0.5)
    assert (request.preset, request.lora, request.preview_every) == ("fast", "ink", 2)
    assert [image.getpixel((0, 0)) for image in request.images] == [(255, 0, 0), (0, 0, 255)]


def test_what_a_mask_leaves_alone_stays_as_transparent_as_it_was() -> None:
    half = Image.new("RGBA", (32, 32), (200, 100, 0, 90))
    half.paste((0, 0, 0, 255), (0, 0, 16, 32))
    file = io.BytesIO()
    half.save(file, "PNG")

    for request in (asked((file.getvalue(),), MASK), asked((file.getvalue(),), task="inpaint")):
        assert request.original.tobytes() == half.tobytes()
        assert request.images[0].mode == "RGB"
    assert asked((file.getvalue(),), strength=0.5).original is None
    assert asked((RED,), MASK).original is None
    opaque = encoded(colour="#f00f", mode="RGBA")
    assert asked((opaque,), MASK).original is None


HEARD = {"language": "English", "duration_s": 2.0, "text": "a ring", "finish_reason": "stop"}
FAILED = [{"start_s": 0.0, "end_s": 1.5, "message": "no room"}]


@pytest.mark.parametrize(
    ("told", "wrong"),
    [
        ({}, None),
        ({"finish_reason": "length"}, {"finish_reason": "length"}),
        ({"damage_s": 0.25, "segments": []}, {"finish_reason": "stop", "damage_s": 0.25}),
        ({"failed": FAILED}, {"finish_reason": "stop", "failed": FAILED}),
    ],
)
def test_what_was_not_heard_of_a_spoken_prompt_is_kept(told: dict[str, Any], wrong: dict[str, Any] | None) -> None:
    heard = json.dumps({**HEARD, **told}).encode()
    request, _ = read_request("a ring", ImageOptions(), (), b"", SETTINGS, *open_decoders, heard=heard)
    assert request.heard == wrong


@pytest.mark.parametrize("heard", [b"x", b"[]", b"{}", b'{"language": 5, "duration_s": 1, "text": "a"}'])
def test_what_is_no_transcript_is_refused(heard: bytes) -> None:
    with pytest.raises(InvalidRequest, match=r"^HEARD is no"):
        read_request("a ring", ImageOptions(), (), b"", SETTINGS, *open_decoders, heard=heard)


def test_base64_inputs() -> None:
    request = asked((b64encode(RED),), b64encode(MASK), input_encoding="base64")

    assert request.images[0].size == request.mask.size == (32, 32)
    with pytest.raises(InvalidRequest, match="IMAGE is not base64"):
        asked((RED,), input_encoding="base64")


@pytest.mark.parametrize(
    ("images", "mask", "options", "message"),
    [
        ((), MASK, {}, "MASK is given without IMAGE"),
        ((RED, RED, RED), b"", {}, "IMAGE holds 3 pictures; the limit is 2"),
        ((RED, b""), b"", {}, r"IMAGE\[1\] is empty"),
        ((RED, b"x"), b"", {}, r"IMAGE\[1\] cannot be read"),
        ((b"x",), b"", {}, "IMAGE cannot be read"),
        ((RED,), b"x", {}, "MASK cannot be read"),
        ((RED,), encoded((16, 32)), {}, "MASK has 16 x 32 pixels, its picture 32 x 32"),
        ((encoded((4000, 1641)),), b"", {}, "IMAGE has 4000 x 1641 = 6564000 pixels; the limit is 6560000"),
        ((RED,), b"", {"task": "inpaint"}, "MASK is empty and IMAGE has no transparent parts"),
        (
            (LONG,),
            LONG,
            {"format": "webp", "width": 64},
            "OPTIONS.format is 'webp', which takes 16383 pixels a side, but IMAGE has 16400 x 400 and keeps them",
        ),
        ((), b"", {"style": "rococo"}, "OPTIONS.style is 'rococo'; allowed: photorealistic, "),
    ],
)
def test_what_does_not_go_together_is_refused(
    images: tuple[bytes, ...], mask: bytes, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidRequest, match=message):
        asked(images, mask, **options)


@pytest.mark.parametrize("aspect", get_args(Aspect))
def test_aspect_ratios_keep_the_profile_s_number_of_pixels(aspect: Aspect) -> None:
    wide, high = map(int, aspect.split(":"))
    for side in (64, 512, 1024, 1328):
        width, height = aspect_size(aspect, side, side)
        assert (width % 16, height % 16) == (0, 0)
        # The sides are multiples of 16, which leaves small pictures little choice.
        assert math.isclose(width / height, wide / high, rel_tol=8 / min(width, height) + 0.02)
        assert math.isclose(width * height, side * side, rel_tol=16 / min(width, height) + 0.13)
    request = asked(aspect=aspect)
    assert (request.width, request.height) == aspect_size(aspect, 64, 64)


def test_at_full_size_they_are_those_it_was_trained_at() -> None:
    assert aspect_size("16:9", 1328, 1328) == (1664, 928)
    assert aspect_size("2:3", 1328, 1328) == (1056, 1584)


def test_styles_are_there_in_both_languages() -> None:
    assert len(styles()) >= 14
    for style in styles().values():
        assert set(style.titles) == set(style.templates) == {"en", "zh"}
        assert all(template.count("{prompt}") == 1 for template in style.templates.values())
        assert [language_of(style.templates[language]) for language in ("en", "zh")] == ["en", "zh"]


@pytest.mark.parametrize(
    ("prompt", "language"),
    [
        ("a red fox", "en"),
        ("一只红色的狐狸", "zh"),
        ('a sign that says "你好"', "en"),
        ("一块写着 Open 的招牌", "zh"),
        ("", "en"),
        ("12:30", "en"),
    ],
)
def test_the_prompt_s_script_chooses_the_template(prompt: str, language: str) -> None:
    assert language_of(prompt) == language


def test_a_style_adds_its_words_behind_the_prompt() -> None:
    assert asked(prompt="a red fox.", style="anime").prompt.startswith("a red fox, anime illustration")
    assert asked(prompt="一只{prompt}狐狸。", style="ink_wash").prompt.startswith("一只{prompt}狐狸，中国水墨画")
    assert styled("a fox", "pixel_art") == asked(prompt="a fox", style="pixel_art").prompt
    assert asked(prompt=" ", style="anime").prompt == " "


@pytest.mark.parametrize(
    "prompt", ["a red fox.", "一只狐狸", "12:30", 'a sign that says "你好你好你好"', "a {prompt} fox"]
)
def test_a_style_adds_its_words_once(prompt: str) -> None:
    for style in styles():
        assert styled(styled(prompt, style), style) == styled(prompt, style)


def test_a_request_without_a_seed_has_one_of_its_own() -> None:
    assert len({asked().seed for _ in range(4)}) > 1
    assert asked(seed=0).seed == 0
