"""IMAGE, TEXT and EVENT of `qwen_image` from the engine's events."""

from typing import Any

from qwen_engine.image.picture_output import encode_picture, encode_preview
from qwen_engine.image.recipe import RecipeInputs, write_recipe
from qwen_engine.image.request import ImageEvent, Picture, Progress
from qwen_engine.image.styles import styles
from qwen_engine.messages import Outputs
from qwen_wire import pictures as wire
from qwen_wire.options import ImageOptions


def style_list() -> wire.StyleList:
    """The answer to `list_styles`."""
    listed = [wire.Style(style.name, style.titles, style.templates) for style in styles().values()]
    return wire.StyleList(styles=tuple(listed))


def encode(event: ImageEvent | wire.StyleList, context: RecipeInputs | ImageOptions) -> Outputs:
    """IMAGE, TEXT and EVENT of one event; those of pictures need the `RecipeInputs`."""
    if isinstance(event, wire.Queued | wire.StyleList):
        return _outputs(event)
    assert isinstance(context, RecipeInputs)
    match event:
        case Progress():
            return _progress(event, context)
        case Picture():
            return _picture(event, context)


def _outputs(event: Any, image: bytes = b"", text: str = "") -> Outputs:
    return {"IMAGE": image, "TEXT": text.encode(), "EVENT": event}


def _progress(event: Progress, inputs: RecipeInputs) -> Outputs:
    preview = b"" if event.preview is None else inputs.options.encode(encode_preview(event.preview))
    wire_event = wire.ProgressEvent(
        picture=event.picture, step=event.step, steps=event.steps, eta_s=event.eta_s, preview=bool(preview)
    )
    return _outputs(wire_event, preview)


def _picture(event: Picture, inputs: RecipeInputs) -> Outputs:
    options = inputs.options
    recipe = write_recipe(event, inputs) if options.recipe else None
    file = encode_picture(event.image, options.format, options.quality, recipe)
    wire_event = wire.PictureEvent(
        picture=event.picture,
        width=event.image.width,
        height=event.image.height,
        seed=event.seed,
        format=options.format,
    )
    return _outputs(wire_event, options.encode(file), event.request.prompt)
