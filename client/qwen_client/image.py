"""Drawing and editing pictures: `client.image`."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Literal, TypeAlias

from qwen_client.jobs import Ending, StreamJob, only_event, require_complete
from qwen_client.messages import Answer, Inputs, options_json
from qwen_client.pictures import ImageEvent, Picture, PictureInput, PictureInputs, Progress, picture_bytes
from qwen_client.recipes import PictureFile, Recipe, read_recipe, require_ingredients
from qwen_client.texts import text_bytes
from qwen_wire.errors import InvalidRequest, ServerError
from qwen_wire.options import MAX_SIDE_PX, ImageOptions, PictureFormat
from qwen_wire.pictures import PictureEvent, ProgressEvent, Queued, Style, StyleList

MODEL = "qwen_image"
SIDE_MULTIPLE = 16
REPEATED = (
    "task",
    "steps",
    "seed",
    "negative_prompt",
    "style",
    "true_cfg_scale",
    "strength",
    "preset",
    "lora",
    "format",
    "quality",
)  # fmt: skip

Size: TypeAlias = int | tuple[int, int] | str
"""Pixels: 64 (a square), (width, height) or "64x48"; or an aspect ratio: "16:9"."""

Task: TypeAlias = Literal["generate", "vary", "edit", "inpaint"]
Preset: TypeAlias = Literal["fast", "balanced", "exact"]
OnProgress: TypeAlias = Callable[[Progress], object]


def generate(
    prompt: str,
    *,
    images: PictureInputs | None = None,
    mask: PictureInput | None = None,
    task: Task | None = None,
    size: Size | None = None,
    steps: int | None = None,
    seed: int | None = None,
    n: int = 1,
    negative_prompt: str = " ",
    true_cfg_scale: float | None = None,
    strength: float | None = None,
    preset: Preset | None = None,
    style: str | None = None,
    lora: str | None = None,
    preview_every: int | None = None,
    format: PictureFormat = "png",
    quality: int | None = None,
    recipe: bool = True,
    on_progress: OnProgress | None = None,
) -> StreamJob[ImageEvent, Picture]:
    """Draw `prompt`.

        client.image.generate("a large green star on a white background", size="16:9", seed=3).save("star.png")
        client.image.generate("a red ring", on_progress=lambda progress: print(progress.step, progress.steps))
        for picture in client.image.generate("a red ring", n=4, style="watercolour").all:
            picture.save(f"ring-{picture.seed}.png")

    `size`: 64, (64, 48) or "64x48" pixels, multiples of 16, or an aspect ratio ("16:9"). `seed`: same seed, same
    picture; `n` pictures have the seeds `seed`, `seed` + 1, …; None: a random one, which the picture and its recipe
    tell. `true_cfg_scale`: guidance, away from `negative_prompt`.
    `preset`: how fast or exact, where the server has one. `style`: a name that `styles()` knows. `lora`: a name of the
    server's. None: the server's choice. `format` and `quality` (1 to 100, 100: lossless WebP) are the file's. `recipe`
    False: the file tells neither prompt nor seed, and cannot be drawn again with `regenerate`.

    `on_progress` is called after each step, with a small preview after every `preview_every` steps; raising in it
    cancels the request. `stream` takes the same parameters and gives all events as they come.

    `images`, `mask`, `task` and `strength` are for what `edit`, `vary` and `inpaint` do.
    Returns a `Picture`.
    """
    options = picture_options(
        size,
        task=task,
        steps=steps,
        seed=seed,
        n=n,
        negative_prompt=negative_prompt,
        true_cfg_scale=true_cfg_scale,
        strength=strength,
        preset=preset,
        style=style,
        lora=lora,
        preview_every=preview_every,
        format=format,
        quality=quality,
        recipe=recipe,
    )
    inputs: Inputs = {"PROMPT": text_bytes(prompt, "prompt"), "OPTIONS": options, **_given(images, mask)}
    return StreamJob(MODEL, inputs, announcing(on_progress), collect_picture)


def edit(
    images: PictureInputs, prompt: str, *, mask: PictureInput | None = None, **options: Any
) -> StreamJob[ImageEvent, Picture]:
    """Do to a picture what `prompt` asks for; with several `images`, it may speak of all of them.

        client.image.edit("circle.png", "make the circle green").save("green.png")

    `mask` (as large as the first picture, white: to be changed) leaves everything else as it was.
    `options` as for `generate`. Returns a `Picture`.
    """
    return generate(prompt, images=images, mask=mask, task="edit", **options)


def vary(
    image: PictureInput, prompt: str, *, strength: float | None = None, **options: Any
) -> StreamJob[ImageEvent, Picture]:
    """Draw `prompt`, starting from a picture.

        client.image.vary("sketch.png", "a large green star on a white background", strength=0.7)

    `strength`: above 0, little of the picture is changed, to 1, hardly anything is kept; None: the server's choice.
    `options` as for `generate`. Returns a `Picture`.
    """
    return generate(prompt, images=image, task="vary", strength=strength, **options)


def inpaint(
    image: PictureInput, mask: PictureInput | None, prompt: str, **options: Any
) -> StreamJob[ImageEvent, Picture]:
    """Generate a part of a picture again; `prompt` describes the whole picture.

        client.image.inpaint("street.png", "mask.png", "a street with a red car")

    `mask` is as large as the picture and white where it is to be drawn; the rest stays exactly as it was, at the
    picture's own size unless `size` asks for another. A mask that is transparent in places asks for those. None: the
    picture's own transparent parts are filled.
    `options` as for `generate`. Returns a `Picture`.
    """
    return generate(prompt, images=image, mask=mask, task="inpaint", **options)


def regenerate(
    file: PictureFile,
    *,
    images: PictureInputs | None = None,
    mask: PictureInput | None = None,
    on_progress: OnProgress | None = None,
) -> StreamJob[ImageEvent, Picture]:
    """Draw a picture again, from the recipe in its file: with the same checkpoint, the same pixels.

        again = client.image.regenerate("star.png")

    If the picture was made from others, pass the same files: `images` and `mask`. Returns a `Picture`.
    """
    recipe = read_recipe(file)
    if recipe.model != MODEL:
        raise InvalidRequest(f"the picture is of {recipe.model}, which draws by data: give that to client.charts")
    given = _given(images, mask)
    require_ingredients(recipe, given.get("IMAGE", ()), given.get("MASK"))
    return generate(
        recipe.prompt,
        images=given.get("IMAGE"),
        mask=given.get("MASK"),
        size=_size_to_ask_for(recipe),
        on_progress=on_progress,
        **{name: getattr(recipe, name) for name in REPEATED},
    )


def _size_to_ask_for(recipe: Recipe) -> Size | None:
    """None: it is the size of the picture that was inpainted, which may be one that cannot be asked for."""
    sides = (recipe.width, recipe.height)
    is_askable = not any(side % SIDE_MULTIPLE for side in sides) and max(sides) <= MAX_SIDE_PX
    return sides if is_askable else None


def styles() -> StreamJob[tuple[Style, ...], tuple[Style, ...]]:
    """The styles that the server knows by name."""
    inputs: Inputs = {"PROMPT": b"", "OPTIONS": options_json(ImageOptions, action="list_styles")}
    return StreamJob(MODEL, inputs, _read_styles, only_event)


def picture_options(size: Size | None, **options: Any) -> bytes:
    """The OPTIONS of a picture."""
    return options_json(ImageOptions, **parse_size(size), **options)


def parse_size(size: Size | None) -> dict[str, int | str]:
    """The OPTIONS that ask for a size: `width` and `height` in pixels, or `aspect`; None: neither."""
    match size:
        case None:
            return {}
        case int():
            return {"width": size, "height": size}
        case (int() as width, int() as height):
            return {"width": width, "height": height}
        case str() if found := re.fullmatch(r"(\d+)(?:x(\d+))?", size):
            return {"width": int(found[1]), "height": int(found[2] or found[1])}
        case str() if re.fullmatch(r"\d+:\d+", size):
            return {"aspect": size}
    raise InvalidRequest(f"size is {size!r}: give 64, (64, 48) or '64x48', or an aspect ratio such as '16:9'")


def announcing(on_progress: OnProgress | None) -> Callable[[Answer], ImageEvent]:
    """A `read` that tells `on_progress` of each step."""

    def read(answer: Answer) -> ImageEvent:
        event = _read_event(answer)
        if on_progress is not None and isinstance(event, Progress):
            on_progress(event)
        return event

    return read


def collect_picture(events: Sequence[ImageEvent], ending: Ending) -> Picture:
    """The pictures among the events, as the first of them."""
    require_complete(ending)
    pictures = [replace(event, timings=ending.timings) for event in events if isinstance(event, Picture)]
    if not pictures:
        raise ServerError("the answer holds no picture", request_id=ending.request_id)
    first, *others = sorted(pictures, key=lambda picture: picture.picture)
    return replace(first, others=tuple(others))


def _given(images: PictureInputs | None, mask: PictureInput | None) -> dict[str, Any]:
    """The tensors of the pictures; what is not given stays out, since it would only part requests from each other."""
    given: dict[str, Any] = {}
    if images is not None:
        several = images if isinstance(images, list | tuple) else [images]
        given["IMAGE"] = tuple(picture_bytes(image) for image in several)
    if mask is not None:
        given["MASK"] = picture_bytes(mask)
    return given


def _read_event(answer: Answer) -> ImageEvent:
    match answer.json("EVENT")["type"]:
        case "queued":
            return answer.message(Queued, "EVENT")
        case "progress":
            return _read_progress(answer)
        case "image":
            return _read_picture(answer)
        case kind:
            raise ServerError(f"the answer holds an unknown event: {kind}", request_id=answer.request_id)


def _read_progress(answer: Answer) -> Progress:
    event = answer.message(ProgressEvent, "EVENT")
    preview = answer.payload("IMAGE") if event.preview else None
    return Progress(event.step, event.steps, event.picture, event.eta_s, preview)


def _read_picture(answer: Answer) -> Picture:
    event = answer.message(PictureEvent, "EVENT")
    return Picture(
        data=answer.payload("IMAGE"),
        format=event.format,
        prompt=answer.text("TEXT"),
        width=event.width,
        height=event.height,
        seed=event.seed,
        picture=event.picture,
        timings=None,
        request_id=answer.request_id,
    )


def _read_styles(answer: Answer) -> tuple[Style, ...]:
    return answer.message(StyleList, "EVENT").styles
