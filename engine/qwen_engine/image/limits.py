"""Defaults and limits of requests."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from PIL.Image import Image

from qwen_engine.image.request import ImageRequest, ResolvedRequest
from qwen_engine.image.settings import ImageSettings, Preset
from qwen_wire.errors import InvalidRequest

VARY_STRENGTH = 0.6  # the pipelines' default
REFERENCE_MULTIPLE = 32
SHRINKING = 0.95  # of the pixels of a picture that is too large

Size = tuple[int, int]  # width, height in pixels


@dataclass(frozen=True)
class Capabilities:
    """The capabilities of a loaded checkpoint. `min_steps`: by its own scheduler; `num_tokens`: of a tenant's prompt in
    the template."""

    pixel_multiple: int
    min_steps: int
    max_references: int
    previews: bool
    loras: Callable[[], Sequence[str]]
    num_tokens: Callable[[str, str], int]


def resolve(request: ImageRequest, settings: ImageSettings, capabilities: Capabilities) -> ResolvedRequest:
    """The request with all defaults filled in.

    Raises:
        InvalidRequest: the message names the field, its value and what is allowed.
    """
    _check_inputs(request, capabilities)
    preset = _preset(request, settings)
    (width, height), model_size = _sizes(request, settings, capabilities.pixel_multiple)
    choices = {
        "width": width,
        "height": height,
        "model_size": model_size,
        "steps": _first(request.steps, preset and preset.steps, settings.steps),
        "true_cfg_scale": _first(request.true_cfg_scale, preset and preset.true_cfg_scale, settings.true_cfg_scale),
        "lora": _first(request.lora, preset and preset.lora),
        "strength": _strength(request),
    }
    resolved = ResolvedRequest(**{**vars(request), **choices})
    _check_size(resolved, settings, capabilities.pixel_multiple)
    _check_steps(resolved, settings, capabilities)
    _check_lora(resolved, capabilities)
    _check_prompts(resolved, settings, capabilities)
    return resolved


def skipped_steps(steps: int, strength: float | None) -> int:
    """How many of the first steps a picture with `strength` skips, as in the pipelines."""
    return 0 if strength is None else int(max(steps - min(steps * strength, steps), 0))


def scaled(picture: Image, num_pixels: float, multiple: int) -> Size:
    """Width and height of about `num_pixels` at the picture's aspect ratio, as the edit pipelines compute them."""
    ratio = picture.width / picture.height
    width = math.sqrt(num_pixels * ratio)
    height = width / ratio
    return max(round(width / multiple), 1) * multiple, max(round(height / multiple), 1) * multiple


def _first(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)


def _preset(request: ImageRequest, settings: ImageSettings) -> Preset | None:
    if request.preset is None or request.preset in settings.presets:
        return settings.presets[request.preset] if request.preset else None
    allowed = ", ".join(settings.presets) or "none in this profile"
    raise InvalidRequest(f"OPTIONS.preset is {request.preset!r}; allowed: {allowed}")


def _strength(request: ImageRequest) -> float | None:
    if request.task == "vary":
        return VARY_STRENGTH if request.strength is None else request.strength
    if request.mask is not None:
        return 1.0 if request.strength is None else request.strength
    if request.strength is not None:
        raise InvalidRequest(f"OPTIONS.strength is {request.strength:g}, but it counts for 'vary' or with a MASK only")
    return None


def _sizes(request: ImageRequest, settings: ImageSettings, multiple: int) -> tuple[Size, Size]:
    """The size of the result, and that of what the model generates for it.

    With a mask the result is as large as its picture, unless another size is asked for; else the two are equal.
    """
    default = _default_size(request, settings, multiple)
    if request.mask is not None:
        own = request.images[0].size
        if (request.width or own[0], request.height or own[1]) == own:
            return own, default
    asked = _asked_size(request, default, multiple)
    return asked, asked


def _asked_size(request: ImageRequest, default: Size, multiple: int) -> Size:
    """The requested size; with one side only, at the aspect ratio of the default."""
    width, height = default
    if request.width is None and request.height is not None:
        width = max(round(width * request.height / height / multiple), 1) * multiple
    elif request.height is None and request.width is not None:
        height = max(round(height * request.width / width / multiple), 1) * multiple
    return request.width or width, request.height or height


def _default_size(request: ImageRequest, settings: ImageSettings, multiple: int) -> Size:
    if request.task == "generate":
        return settings.width, settings.height
    if request.task == "edit":  # a mask belongs to the first picture; else the last, as QwenImageEditPlusPipeline
        picture = request.images[0 if request.mask is not None else -1]
        return _fitted(picture, settings.width * settings.height, REFERENCE_MULTIPLE, settings)
    picture = request.images[0]
    num_pixels = picture.width * picture.height
    if num_pixels > settings.max_pixels:
        num_pixels = int(settings.max_pixels * SHRINKING)
    return _fitted(picture, num_pixels, multiple, settings)


def _fitted(picture: Image, num_pixels: float, multiple: int, settings: ImageSettings) -> Size:
    """As `scaled`; rounding up does not pass the profile's limit."""
    while math.prod(size := scaled(picture, num_pixels, multiple)) > settings.max_pixels and max(size) > multiple:
        num_pixels *= SHRINKING
    return size


def _check_inputs(request: ImageRequest, capabilities: Capabilities) -> None:
    num_images = len(request.images)
    if request.task == "generate" and (num_images or request.mask is not None):
        raise InvalidRequest("OPTIONS.task is 'generate', which draws from text alone; leave IMAGE and MASK empty")
    if request.task != "generate" and not num_images:
        raise InvalidRequest(f"IMAGE is empty; OPTIONS.task {request.task!r} needs a picture")
    limit = capabilities.max_references if request.task == "edit" else 1
    if num_images > limit:
        raise InvalidRequest(f"IMAGE holds {num_images} pictures; OPTIONS.task {request.task!r} takes up to {limit}")
    if request.task == "inpaint" and request.mask is None:
        raise InvalidRequest("MASK is empty; OPTIONS.task 'inpaint' needs one, white where the picture is to change")
    if request.task == "vary" and request.mask is not None:
        raise InvalidRequest("OPTIONS.task is 'vary', which takes no MASK; use 'inpaint'")
    if request.mask is not None and request.mask.size != request.images[0].size:
        mask, image = ("{} x {}".format(*picture.size) for picture in (request.mask, request.images[0]))
        raise InvalidRequest(f"MASK has {mask} pixels, its IMAGE {image}; they must be equal")


def _check_size(request: ResolvedRequest, settings: ImageSettings, multiple: int) -> None:
    width, height = request.model_size
    for name, pixels in (("width", width), ("height", height)):
        if pixels < multiple or pixels % multiple:
            raise InvalidRequest(f"OPTIONS.{name} is {pixels}; allowed: multiples of {multiple}")
    if width * height > settings.max_pixels:
        raise InvalidRequest(
            f"OPTIONS.width x height is {width} x {height} = {width * height} pixels; "
            f"the limit is {settings.max_pixels}"
        )
    if not 1 <= request.num_images <= settings.max_images:
        raise InvalidRequest(f"OPTIONS.n is {request.num_images}; allowed: 1 to {settings.max_images}")


def _check_steps(request: ResolvedRequest, settings: ImageSettings, capabilities: Capabilities) -> None:
    preset = _preset(request, settings)
    min_steps = 1 if preset is not None and preset.scheduler == "lightning" else capabilities.min_steps
    if not min_steps <= request.steps <= settings.max_steps:
        raise InvalidRequest(f"OPTIONS.steps is {request.steps}; allowed: {min_steps} to {settings.max_steps}")
    if request.strength is not None and not 0 < request.strength <= 1:
        raise InvalidRequest(f"OPTIONS.strength is {request.strength:g}; allowed: above 0, up to 1")
    if skipped_steps(request.steps, request.strength) == request.steps:
        raise InvalidRequest(f"OPTIONS.strength is {request.strength:g}, too little for a single step")
    if request.true_cfg_scale < 1:
        raise InvalidRequest(f"OPTIONS.true_cfg_scale is {request.true_cfg_scale:g}; allowed: 1 (off) or more")
    if request.preview_every is not None and request.preview_every < 1:
        raise InvalidRequest(f"OPTIONS.preview_every is {request.preview_every}; allowed: 1 or more steps")
    if request.preview_every is not None and not capabilities.previews:
        raise InvalidRequest("OPTIONS.preview_every is given, but this checkpoint has no preview.safetensors")


def _check_lora(request: ResolvedRequest, capabilities: Capabilities) -> None:
    if request.lora is not None and request.lora not in capabilities.loras():
        allowed = ", ".join(capabilities.loras()) or "none in this profile"
        raise InvalidRequest(f"OPTIONS.lora is {request.lora!r}; allowed: {allowed}")


def _check_prompts(request: ImageRequest, settings: ImageSettings, capabilities: Capabilities) -> None:
    if not request.prompt.strip():
        raise InvalidRequest("PROMPT is empty; describe the picture")
    for name, prompt in (("PROMPT", request.prompt), ("OPTIONS.negative_prompt", request.negative_prompt)):
        if len(prompt) > settings.max_prompt_chars:
            raise InvalidRequest(f"{name} has {len(prompt)} characters; the limit is {settings.max_prompt_chars}")
        num_tokens = capabilities.num_tokens(request.tenant, prompt)
        if num_tokens > settings.max_prompt_tokens:
            limit = settings.max_prompt_tokens
            raise InvalidRequest(f"{name} takes {num_tokens} tokens with its frame; the limit is {limit}")
