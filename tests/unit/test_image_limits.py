"""What a request leaves open: sizes, steps, presets."""

import pytest
from PIL import Image

from qwen_engine.image.limits import Capabilities, resolve, skipped_steps
from qwen_engine.image.request import ImageRequest, ResolvedRequest
from qwen_engine.image.settings import ImageSettings, Preset
from qwen_wire.errors import InvalidRequest

SETTINGS = ImageSettings(
    checkpoint="none",
    width=1024,
    height=512,
    steps=50,
    true_cfg_scale=4.0,
    max_pixels=1024 * 1024,
    presets={"fast": Preset(steps=4, true_cfg_scale=1.0, scheduler="lightning", lora="quick")},
)
CAPABILITIES = Capabilities(
    pixel_multiple=16,
    min_steps=2,
    max_references=3,
    previews=True,
    loras=lambda: ("quick", "ink"),
    num_tokens=lambda tenant, prompt: len(prompt),
)


def resolved(request: ImageRequest) -> ResolvedRequest:
    return resolve(request, SETTINGS, CAPABILITIES)


def size(request: ImageRequest) -> tuple[int, int]:
    answer = resolved(request)
    return answer.width, answer.height


def test_a_drawing_has_the_profiles_size():
    assert size(ImageRequest("a star")) == (1024, 512)


def test_one_side_keeps_the_aspect_ratio():
    assert size(ImageRequest("a star", width=512)) == (512, 256)
    assert size(ImageRequest("a star", height=64)) == (128, 64)


@pytest.mark.parametrize(
    ("given", "expected"),
    [((640, 480), (640, 480)), ((100, 70), (96, 64)), ((9, 5), (16, 16)), ((4000, 3000), (1152, 864))],
)
def test_a_picture_that_is_varied_keeps_its_size_as_far_as_it_can(given, expected):
    width, height = size(ImageRequest("a star", "vary", images=(Image.new("RGB", given),)))
    assert (width, height) == expected
    assert width * height <= SETTINGS.max_pixels


def test_an_edit_has_the_profiles_pixels_at_the_last_pictures_aspect_ratio():
    images = (Image.new("RGB", (640, 640)), Image.new("RGB", (500, 1000)))
    assert size(ImageRequest("make it red", "edit", images=images)) == (512, 1024)
    mask = Image.new("L", (640, 640), 255)  # it belongs to the first
    masked = resolved(ImageRequest("make it red", "edit", images=images, mask=mask))
    assert (masked.width, masked.height, masked.model_size) == (640, 640, (736, 736))


def inpainting(size: tuple[int, int], **asked: int) -> ImageRequest:
    return ImageRequest("a star", "inpaint", images=(Image.new("RGB", size),), mask=Image.new("L", size, 255), **asked)


@pytest.mark.parametrize(
    ("given", "model_size"),
    [
        ((640, 480), (640, 480)),
        ((250, 187), (256, 192)),
        ((9, 5), (16, 16)),
        ((4000, 3000), (1152, 864)),
        ((1401, 745), (1360, 720)),  # rounded up it would have more than the limit
        ((6000, 121), (6000, 128)),
    ],
)
def test_a_mask_keeps_the_size_of_its_picture(given, model_size):
    for asked in ({}, {"width": given[0]}, {"height": given[1]}, {"width": given[0], "height": given[1]}):
        answer = resolved(inpainting(given, **asked))
        assert (answer.width, answer.height) == given
        assert answer.model_size == model_size
        assert model_size[0] * model_size[1] <= SETTINGS.max_pixels


def test_another_size_is_what_was_asked_for():
    answer = resolved(inpainting((250, 187), width=128, height=64))
    assert (answer.width, answer.height) == answer.model_size == (128, 64)
    with pytest.raises(InvalidRequest, match=r"OPTIONS\.width is 100; allowed: multiples of 16"):
        resolved(inpainting((250, 187), width=100, height=64))


def test_results_count_where_they_are_as_large_as_their_picture():
    plain = ImageRequest("a star", "vary", images=(Image.new("RGB", (100, 70)),), num_images=4)
    assert plain.num_held_pixels == 7000
    masked = inpainting((100, 70), num_images=4)
    assert masked.num_held_pixels == 5 * 7000


def test_what_a_request_names_comes_before_its_preset_and_that_before_the_profile():
    plain, fast = resolved(ImageRequest("a star")), resolved(ImageRequest("a star", preset="fast"))
    assert (plain.steps, plain.true_cfg_scale, plain.lora) == (50, 4.0, None)
    assert (fast.steps, fast.true_cfg_scale, fast.lora) == (4, 1.0, "quick")
    own = resolved(ImageRequest("a star", preset="fast", steps=8, lora="ink"))
    assert (own.steps, own.true_cfg_scale, own.lora) == (8, 1.0, "ink")


def test_a_resolved_request_resolves_to_itself():
    varied = ImageRequest("a star", "vary", images=(Image.new("RGB", (640, 480)),), preset="fast")
    for first in (resolved(varied), resolved(inpainting((250, 187)))):
        assert vars(resolved(first)) == vars(first)


@pytest.mark.parametrize(("steps", "strength", "skipped"), [(10, 1.0, 0), (10, 0.6, 4), (4, 0.3, 2), (50, None, 0)])
def test_the_smaller_the_strength_the_more_steps_are_skipped(steps, strength, skipped):
    assert skipped_steps(steps, strength) == skipped


def test_a_strength_without_a_step_is_refused():
    with pytest.raises(InvalidRequest, match=r"OPTIONS\.strength is 1e-20, too little for a single step"):
        resolved(ImageRequest("a star", "vary", images=(Image.new("RGB", (64, 64)),), strength=1e-20))


def test_a_single_step_is_the_schedulers_matter():
    assert resolved(ImageRequest("a star", preset="fast", steps=1)).steps == 1
    with pytest.raises(InvalidRequest, match=r"OPTIONS\.steps is 1; allowed: 2 to 100"):
        resolved(ImageRequest("a star", steps=1))
