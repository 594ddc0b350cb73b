"""Requests for pictures in every mode, small enough for a CPU."""

from pathlib import Path
from typing import Literal

from PIL import Image, ImageDraw

from qwen_engine.image.engine import ImageEngine
from qwen_engine.image.request import ImageRequest
from qwen_engine.image.settings import ImageSettings
from tests.image_checkpoints import BASE

REFERENCE_PIXELS = 64 * 64
SIZE = (64, 64)


def picture(colour: str, size: tuple[int, int] = SIZE) -> Image.Image:
    """A square of `colour` on something that is no plain colour."""
    width, height = size
    image = Image.linear_gradient("L").resize(size).convert("RGB")
    ImageDraw.Draw(image).rectangle((width // 4, height // 4, width // 2, height // 2), fill=colour)
    return image


def left_half(size: tuple[int, int] = SIZE) -> Image.Image:
    """A mask: the left half may change."""
    mask = Image.new("L", size)
    mask.paste(255, (0, 0, size[0] // 2, size[1]))
    return mask


BASE_REQUESTS = {
    "generate": ImageRequest("A large black square on a red background.", seed=11, steps=6),
    "generate guided": ImageRequest("a small blue circle", seed=3, steps=5, true_cfg_scale=3.0, negative_prompt="red"),
    "generate wide": ImageRequest("a green star on a white background", seed=5, steps=4, width=96),
    "vary": ImageRequest("a yellow ring", "vary", seed=7, steps=8, images=(picture("red"),)),
    "vary a little": ImageRequest(
        "a red cross", "vary", seed=8, steps=6, strength=0.3, true_cfg_scale=2.5, images=(picture("blue", (80, 48)),)
    ),
    "inpaint": ImageRequest("a red square", "inpaint", seed=9, steps=5, images=(picture("green"),), mask=left_half()),
    "inpaint softly": ImageRequest(
        "a purple triangle",
        "inpaint",
        seed=10,
        steps=7,
        strength=0.7,
        true_cfg_scale=2.0,
        images=(picture("white", (96, 64)),),
        mask=left_half((96, 64)),
    ),
}
EDIT_REQUESTS = {
    "edit": ImageRequest("make the square green", "edit", seed=12, steps=5, images=(picture("red"),)),
    "edit guided": ImageRequest(
        "make it blue", "edit", seed=13, steps=4, true_cfg_scale=3.0, images=(picture("orange", (100, 60)),)
    ),
}
MASKED_EDIT_REQUESTS = {
    "edit masked": ImageRequest(
        "make it red", "edit", seed=14, steps=5, strength=0.8, images=(picture("red"),), mask=left_half()
    ),
    "edit masked, guided": ImageRequest(
        "a star", "edit", seed=15, steps=4, true_cfg_scale=2.0, images=(picture("blue"),), mask=left_half()
    ),
}
SEVERAL_REFERENCES_REQUESTS = {
    "edit of two": ImageRequest(
        "put the circle into it", "edit", seed=16, steps=4, images=(picture("red"), picture("blue", (96, 64)))
    ),
}
Layout = Literal["edit", "edit-plus"]
REQUESTS: dict[Layout, dict[str, ImageRequest]] = {
    "edit": {**BASE_REQUESTS, **EDIT_REQUESTS, **MASKED_EDIT_REQUESTS},
    "edit-plus": {**BASE_REQUESTS, **EDIT_REQUESTS, **SEVERAL_REFERENCES_REQUESTS},
}


def make_engine(edit_checkpoint: Path | None = None, **settings: object) -> ImageEngine:
    """On the demo's base checkpoint."""
    return ImageEngine(
        ImageSettings(
            **{
                "checkpoint": str(BASE),
                "edit_checkpoint": None if edit_checkpoint is None else str(edit_checkpoint),
                "reference_pixels": REFERENCE_PIXELS,
                "width": SIZE[0],
                "height": SIZE[1],
                "steps": 4,
                "true_cfg_scale": 1.0,
                "max_pixels": 256 * 256,
                "max_mixed_tokens": 640,
                "max_steps": 50,
                **settings,
            }
        )
    )
