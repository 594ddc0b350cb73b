"""Requests and events of the image engine."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from PIL.Image import Image

from qwen_engine.tenants import DEFAULT_TENANT
from qwen_wire.pictures import Queued

Task = Literal["generate", "vary", "edit", "inpaint"]
PresetName = Literal["fast", "balanced", "exact"]


@dataclass(frozen=True, eq=False)
class ImageRequest:
    """Generate `num_images` pictures of `prompt`, with the seeds `seed`, `seed` + 1, ... (see `following_seed`).

    `task` "generate": from text; "vary": from `images[0]`, with more of it the smaller `strength` is (0 to 1];
    "edit": the prompt is an instruction for one or several `images` (RGB); "inpaint": new pixels where the `mask`
    (mode L) of `images[0]` is white. "edit" takes a mask, too; whatever the task, pixels outside it stay as they were,
    and so does their transparency, which is in `original` (`images[0]` in mode RGBA; None: it is opaque).

    `width`, `height` in pixels; None: as `images[0]`, or the profile's. `steps` and `true_cfg_scale` (1: no guidance)
    None: the `preset`'s, or the profile's. `lora`: a name in the profile's folder of them. `preview_every`: steps
    between previews; None: no previews. `heard`: defects of the transcript that is the prompt; None: none.
    """

    prompt: str
    task: Task = "generate"
    width: int | None = None
    height: int | None = None
    steps: int | None = None
    seed: int = 0
    num_images: int = 1
    negative_prompt: str = " "
    true_cfg_scale: float | None = None
    strength: float | None = None
    images: tuple[Image, ...] = ()
    mask: Image | None = None
    original: Image | None = None
    preset: PresetName | None = None
    lora: str | None = None
    preview_every: int | None = None
    tenant: str = DEFAULT_TENANT
    heard: Mapping[str, Any] | None = None

    @property
    def num_held_pixels(self) -> int:
        """Of the input pictures and, with a mask, of the results, which may be as large."""
        pictures = [*self.images, *(() if self.original is None else (self.original,))]
        if self.mask is not None:
            pictures += [self.images[0]] * self.num_images
        return sum(picture.width * picture.height for picture in pictures)


@dataclass(frozen=True, eq=False)
class ResolvedRequest(ImageRequest):
    """A request with all defaults filled in by `qwen_engine.image.limits.resolve`.

    The model generates pictures of `model_size`; `width` and `height` differ where a mask keeps those of `images[0]`.
    """

    width: int = 0
    height: int = 0
    model_size: tuple[int, int] = (0, 0)
    steps: int = 0
    true_cfg_scale: float = 1.0


@dataclass(frozen=True, eq=False)
class Progress:
    """`step` of `steps` of the request's `picture` (0, 1, ...) is done; about `eta_s` seconds are left.

    `preview`: an estimate of the picture, an eighth as wide and high.
    """

    picture: int
    step: int
    steps: int
    eta_s: float | None
    preview: Image | None = None


@dataclass(frozen=True, eq=False)
class Picture:
    """The request's `picture` (0, 1, ...), generated with `seed`; `request` is a resolved one."""

    picture: int
    image: Image
    request: ImageRequest
    seed: int


ImageEvent = Queued | Progress | Picture
