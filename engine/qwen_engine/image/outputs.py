"""From the engine's events to the payloads a caller gets."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from qwen_engine.image.recipe import Ingredients, write_recipe
from qwen_engine.image.request import ImageEvent, Picture, Progress, Queued
from qwen_engine.image.styles import Style
from qwen_engine.image.writing import encode_picture, encode_preview

Outputs = dict[str, Any]


@dataclass(frozen=True)
class StyleList:
    """What `list_styles` answers."""

    styles: Iterable[Style]


def encode(event: ImageEvent | StyleList, drawn_from: Ingredients) -> Outputs:
    """IMAGE, TEXT and EVENT of one event."""
    match event:
        case Queued():
            return _told({"type": "queued", "position": event.position})
        case Progress():
            return _progress(event, drawn_from)
        case Picture():
            return _picture(event, drawn_from)
        case StyleList():
            return _told({"type": "styles", "styles": [_style(style) for style in event.styles]})


def _told(event: dict[str, Any], image: bytes = b"", text: str = "") -> Outputs:
    return {"IMAGE": image, "TEXT": text.encode(), "EVENT": event}


def _progress(event: Progress, drawn_from: Ingredients) -> Outputs:
    preview = b"" if event.preview is None else drawn_from.options.encode(encode_preview(event.preview))
    fields = {"picture": event.picture, "step": event.step, "steps": event.steps, "eta_s": event.eta_s}
    return _told({"type": "progress", **fields, "preview": bool(preview)}, preview)


def _picture(event: Picture, drawn_from: Ingredients) -> Outputs:
    options = drawn_from.options
    file = encode_picture(event.image, options.format, options.quality, write_recipe(event, drawn_from))
    fields = {"width": event.image.width, "height": event.image.height, "seed": event.seed, "format": options.format}
    told = {"type": "image", "picture": event.picture, **fields}
    return _told(told, options.encode(file), event.request.prompt)


def _style(style: Style) -> dict[str, Any]:
    return {"name": style.name, "title": dict(style.titles), "template": dict(style.templates)}
