"""From what a caller sends to what the engine takes."""

from collections.abc import Sequence

from PIL.Image import Image

from qwen_engine.errors import InvalidRequest
from qwen_engine.image.reading import on_white, read_mask, read_picture, transparency
from qwen_engine.image.recipe import Ingredients, ingredients
from qwen_engine.image.request import ImageRequest, Task
from qwen_engine.image.sizes import aspect_size
from qwen_engine.image.styles import styled
from qwen_engine.options import ImageOptions
from qwen_engine.settings import ImageSettings


def read_request(
    prompt: str, options: ImageOptions, images: Sequence[bytes], mask: bytes, settings: ImageSettings
) -> tuple[ImageRequest, Ingredients]:
    """The engine's request, and what its pictures' recipes need. `images` and `mask` as sent; empty: none.

    Raises:
        InvalidRequest: inputs and options do not go together, or a picture cannot be read.
    """
    images = [] if list(images) == [b""] else [options.decode(image, "IMAGE") for image in images]
    mask = options.decode(mask, "MASK")
    _check_number(len(images), bool(mask), settings)
    task = _task(options, len(images), bool(mask))
    pictures = [read_picture(image, name, max_pixels=settings.max_input_pixels) for image, name in _named(images)]
    width, height = _size(options, settings)
    request = ImageRequest(
        prompt=styled(prompt, options.style) if options.style and prompt.strip() else prompt,
        task=task,
        width=width,
        height=height,
        steps=options.steps,
        seed=options.seed,
        num_images=options.n,
        negative_prompt=options.negative_prompt,
        true_cfg_scale=options.true_cfg_scale,
        strength=options.strength,
        images=tuple(map(on_white, pictures)),
        mask=_mask(mask, task, pictures, settings),
        preset=options.preset,
        lora=options.lora,
        preview_every=options.preview_every,
    )
    return request, ingredients(options, task, settings, images, mask)


def _task(options: ImageOptions, num_images: int, masked: bool) -> Task:
    """What is asked for, or else what the inputs are meant for."""
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


def _named(images: Sequence[bytes]) -> list[tuple[bytes, str]]:
    names = ["IMAGE"] if len(images) == 1 else [f"IMAGE[{index}]" for index in range(len(images))]
    return list(zip(images, names, strict=True))


def _size(options: ImageOptions, settings: ImageSettings) -> tuple[int | None, int | None]:
    if options.aspect is None:
        return options.width, options.height
    return aspect_size(options.aspect, settings.width, settings.height)


def _mask(mask: bytes, task: Task, pictures: Sequence[Image], settings: ImageSettings) -> Image | None:
    """The mask that was sent; inpainting without one fills what is transparent in the picture."""
    if mask:
        return read_mask(mask, "MASK", size=pictures[0].size, max_pixels=settings.max_input_pixels)
    if task != "inpaint" or not pictures:
        return None
    holes = transparency(pictures[0])
    if holes is None:
        raise InvalidRequest("MASK is empty and IMAGE has no transparent parts: send where to paint")
    return holes
