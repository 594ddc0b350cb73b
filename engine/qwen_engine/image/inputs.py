"""Requests of the image engine from the tensors of `qwen_image`."""

from collections.abc import Sequence
from typing import Any

from PIL.Image import Image
from pydantic import ValidationError

from qwen_engine.image.picture_input import on_white, read_mask, read_picture, transparency
from qwen_engine.image.picture_output import MAX_SIDES_PX
from qwen_engine.image.recipe import RecipeInputs, recipe_inputs
from qwen_engine.image.request import ImageRequest, Task
from qwen_engine.image.settings import ImageSettings
from qwen_engine.image.sizes import aspect_size
from qwen_engine.image.styles import styled
from qwen_engine.seeds import seed_or_random
from qwen_engine.tenants import DEFAULT_TENANT
from qwen_media.decoders import Decoders
from qwen_wire.errors import InvalidRequest
from qwen_wire.json_text import place, read_json_object
from qwen_wire.messages import read_message, to_dict
from qwen_wire.options import ImageOptions
from qwen_wire.transcripts import Transcript

SHORTFALLS = ("finish_reason", "damage_s", "failed")


def read_request(
    prompt: str,
    options: ImageOptions,
    images: Sequence[bytes],
    mask: bytes,
    settings: ImageSettings,
    decoders: Decoders,
    tenant: str = DEFAULT_TENANT,
    heard: bytes = b"",
) -> tuple[ImageRequest, RecipeInputs]:
    """The engine's request, and the inputs of its recipes. `images` and `mask` as sent; empty: none.
    `heard`: for a spoken prompt, the RESULT of `qwen3_asr`.

    Raises:
        InvalidRequest: inputs and options do not go together, or a picture cannot be read.
    """
    images = [] if list(images) == [b""] else images
    _check_number(len(images), bool(mask), settings)
    images = [options.decode(image, "IMAGE", decoders.max_file_bytes) for image in images]
    mask = options.decode(mask, "MASK", decoders.max_file_bytes)
    task = _task(options, len(images), bool(mask))
    pictures: list[Image] = []
    original: Image | None = None
    transparent: Image | None = None
    for image, name in _named(images):
        picture = read_picture(image, name, decoders, max_pixels=settings.max_input_pixels)
        if (mask or task == "inpaint") and not pictures:
            transparent = transparency(picture)
            original = None if transparent is None else picture
            _check_masked(picture, options, is_mask_known=bool(mask) or transparent is not None)
        pictures.append(on_white(picture))
    width, height = _size(options, settings)
    request = ImageRequest(
        prompt=styled(prompt, options.style) if options.style and prompt.strip() else prompt,
        task=task,
        width=width,
        height=height,
        steps=options.steps,
        seed=seed_or_random(options.seed),
        num_images=options.n,
        negative_prompt=options.negative_prompt,
        true_cfg_scale=options.true_cfg_scale,
        strength=options.strength,
        images=tuple(pictures),
        mask=_mask(mask, pictures[0], settings, decoders) if mask else transparent,
        original=original,
        preset=options.preset,
        lora=options.lora,
        preview_every=options.preview_every,
        tenant=tenant,
        heard=_shortfalls(heard) if heard else None,
    )
    return request, recipe_inputs(options, task, settings, images, mask)


def _task(options: ImageOptions, num_images: int, masked: bool) -> Task:
    """`OPTIONS.task`, or the task that the inputs imply."""
    if options.task is not None:
        return options.task
    if not num_images:
        return "generate"
    if masked:
        return "inpaint"
    return "edit" if options.strength is None else "vary"


def _check_number(num_images: int, masked: bool, settings: ImageSettings) -> None:
    """Before anything is decoded."""
    if masked and not num_images:
        raise InvalidRequest("MASK is given without IMAGE: send the picture it belongs to")
    if num_images > settings.max_references:
        raise InvalidRequest(f"IMAGE holds {num_images} pictures; the limit is {settings.max_references}")


def _shortfalls(heard: bytes) -> dict[str, Any] | None:
    """The fields of the RESULT of `qwen3_asr` for an incomplete transcript; None: it is complete."""
    try:
        transcript = read_message(Transcript, read_json_object(heard, "HEARD"))
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        raise InvalidRequest(f"HEARD is no RESULT of qwen3_asr: {place(problem)}: {problem['msg']}") from None
    if transcript.finish_reason != "length" and not transcript.damage_s and not transcript.failed:
        return None
    fields = to_dict(transcript)
    return {name: fields[name] for name in SHORTFALLS if name in fields}


def _named(images: Sequence[bytes]) -> list[tuple[bytes, str]]:
    names = ["IMAGE"] if len(images) == 1 else [f"IMAGE[{index}]" for index in range(len(images))]
    return list(zip(images, names, strict=True))


def _size(options: ImageOptions, settings: ImageSettings) -> tuple[int | None, int | None]:
    if options.aspect is None:
        return options.width, options.height
    return aspect_size(options.aspect, settings.width, settings.height)


def _mask(mask: bytes, picture: Image, settings: ImageSettings, decoders: Decoders) -> Image:
    return read_mask(mask, "MASK", decoders, size=picture.size, max_pixels=settings.max_input_pixels)


def _check_masked(picture: Image, options: ImageOptions, *, is_mask_known: bool) -> None:
    """`picture` has a mask, or transparent parts in its place, and the result may be as large as it is."""
    if not is_mask_known:
        raise InvalidRequest("MASK is empty and IMAGE has no transparent parts: send where to paint")
    limit = MAX_SIDES_PX.get(options.format)
    if limit is not None and max(picture.size) > limit:
        raise InvalidRequest(
            f"OPTIONS.format is {options.format!r}, which takes {limit} pixels a side, but IMAGE has "
            f"{picture.width} x {picture.height} and keeps them outside its mask; use 'png'"
        )
