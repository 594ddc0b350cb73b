"""From the engine's events to the payloads a caller gets."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from qwen_engine.image.picture_output import encode_picture, encode_preview
from qwen_engine.image.recipe import Ingredients, write_recipe
from qwen_engine.image.request import ImageEvent, Picture, Progress
from qwen_engine.image.styles import Style
from qwen_wire import pictures as wire
from qwen_wire.options import ImageOptions

Outputs = dict[str, Any]


@dataclass(frozen=True)
class StyleList:
    """What `list_styles` answers."""

    styles: Iterable[Style]


def encode(event: ImageEvent | StyleList, asked: Ingredients | ImageOptions) -> Outputs:
    """IMAGE, TEXT and EVENT of one event; of a `StyleList` what was asked are the options alone."""
    if isinstance(event, StyleList):
        return _outputs(wire.StyleList(styles=tuple(map(_style, event.styles))))
    assert isinstance(asked, Ingredients)
    match event:
        case wire.Queued():
            return _outputs(event)
        case Progress():
            return _progress(event, asked)
        case Picture():
            return _picture(event, asked)


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


def _style(style: Style) -> wire.Style:
    return wire.Style(style.name, style.titles, style.templates)
