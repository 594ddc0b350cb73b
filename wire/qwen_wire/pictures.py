"""Pictures: EVENT of `qwen_image`."""

from collections.abc import Mapping
from typing import Literal

from pydantic.dataclasses import dataclass

from qwen_wire.messages import CONFIG
from qwen_wire.options import PictureFormat


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Queued:
    """The request waits for `position` others."""

    index: int = 0
    type: Literal["queued"] = "queued"
    position: int


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class ProgressEvent:
    """`step` of `steps` of one of the pictures (`picture`: 0, 1, …) is done; about `eta_s` seconds are left.

    `preview`: IMAGE holds a JPEG of at most 20 kB of the picture so far.
    """

    index: int = 0
    type: Literal["progress"] = "progress"
    picture: int
    step: int
    steps: int
    eta_s: float | None
    preview: bool


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class PictureEvent:
    """One of the pictures is drawn: it stands in IMAGE, the prompt as used in TEXT."""

    index: int = 0
    type: Literal["image"] = "image"
    picture: int
    width: int
    height: int
    seed: int
    format: PictureFormat


@dataclass(frozen=True, config=CONFIG)
class Style:
    """A style that a request takes by `name`; `title` and `template` by language ("en", "zh")."""

    name: str
    title: Mapping[Literal["en", "zh"], str]
    template: Mapping[Literal["en", "zh"], str]


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class StyleList:
    """The styles that the server knows by name."""

    index: int = 0
    type: Literal["styles"] = "styles"
    styles: tuple[Style, ...]
