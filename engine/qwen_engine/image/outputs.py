"""From the engine's events to the payloads a caller gets."""

from typing import Any

from qwen_engine.image.picture_output import encode_picture, encode_preview
from qwen_engine.image.recipe import Ingredients, write_recipe
from qwen_engine.image.request import ImageEvent, Picture, Progress
from qwen_engine.image.styles import styles
from qwen_engine.messages import Outputs
from qwen_wire import pictures as wire
from qwen_wire.options import ImageOptions


def style_list() -> wire.StyleList:
    """What `list_styles` answers."""
    listed = [wire.Style(style.name, style.titles, style.templates) for style in styles().values()]
    return wire.StyleList(styles=tuple(listed))


def encode(event: ImageEvent | wire.StyleList, context: Ingredients | ImageOptions) -> Outputs:
    """IMAGE, TEXT and EVENT of one event; those of pictures need the `Ingredients`."""
    if isinstance(event, wire.Queued | wire.StyleList):
        return _outputs(event)
    assert isinstance(context, Ingredients)
    match event:
        case Progress():
            return _progress(event, context)
        case Picture():
            return _picture(event, context)


def _outputs(event: Any, image: bytes = b"", text: str = "") -> Outputs:
    return {"IMAGE": image, "TEXT": text.encode(), "EVENT": event}


def _progress(event: Progress, drawn_from: Ingredients) -> Outputs:
    preview = b"" if event.preview is None else drawn_from.options.encode(encode_preview(event.preview))
    told = wire.ProgressEvent(
        picture=event.picture, step=event.step, steps=event.steps, eta_s=event.eta_s, preview=bool(preview)
    )
    return _outputs(told, preview)


def _picture(event: Picture, drawn_from: Ingredients) -> Outputs:
    options = drawn_from.options
    file = encode_picture(event.image, options.format, options.quality, write_recipe(event, drawn_from))
    told = wire.PictureEvent(
        picture=event.picture,
        width=event.image.width,
        height=event.image.height,
        seed=event.seed,
        format=options.format,
    )
    return _outputs(told, options.encode(file), event.request.prompt)
