"""Pictures to describe: the scenes of `pictures` anywhere on a canvas of any shape, as sharp as cameras leave them.

The split is the scenes' own: what is measured shows a scene that no training saw anywhere.
"""

import io
import random
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from demo.training.corpus import Scene
from demo.training.edits import EDITABLE, is_held_out
from demo.training.pictures import OUTLINES, SIDE_PX, Figure, draw, figure_of

PLACES = {  # name -> direction from the middle: columns, rows
    "centre": (0, 0),
    "left": (-1, 0),
    "right": (1, 0),
    "top": (0, -1),
    "bottom": (0, 1),
    "top left": (-1, -1),
    "top right": (1, -1),
    "bottom left": (-1, 1),
    "bottom right": (1, 1),
}
LEAST_SHIFT = 0.7  # of what the shape could be moved until it touches the edge
SQUARE = (SIDE_PX, SIDE_PX)
OTHER_SIDES_PX = ((96, 64), (64, 96), (128, 64), (64, 128))  # width, height
MAX_BLUR_PX = 1.2
JPEG_QUALITY = (60, 95)


@dataclass(frozen=True)
class Example:
    """A scene at a place, and a picture of it: uint8 (height, width, 3)."""

    scene: Scene
    place: str
    pixels: np.ndarray


def scenes(*, held_out: bool) -> list[Scene]:
    """Those of one side whose picture tells all that their phrase does: a background left open is grey, not white."""
    return [scene for scene in EDITABLE if is_held_out(scene) == held_out]


def example(scene: Scene, place: str, rng: random.Random, *, sides_px: tuple[int, int] = SQUARE) -> Example:
    """Draw `scene` on a canvas of `sides_px` (width, height), its size words measured by the shorter side."""
    figure = figure_of(scene, rng)
    return Example(scene, place, _on_canvas(figure, _centre(figure, place, rng, sides_px), sides_px))


def worn(pixels: np.ndarray, rng: random.Random) -> np.ndarray:
    """As pictures come: blurred, and every third one through a JPEG file."""
    picture = Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(rng.uniform(0, MAX_BLUR_PX)))
    if rng.random() < 1 / 3:
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=rng.randint(*JPEG_QUALITY))
        picture = Image.open(file)
    return np.asarray(picture)


def noisy(pixels: np.ndarray, sigma: float, seed: int) -> np.ndarray:
    """With noise of every pixel on its own; `sigma` of 255."""
    noise = np.random.default_rng(seed).normal(0, sigma, pixels.shape)
    return (pixels + noise).round().clip(0, 255).astype(np.uint8)


def _centre(figure: Figure, place: str, rng: random.Random, sides_px: tuple[int, int]) -> tuple[float, float]:
    """Column and row of the figure's centre on the canvas."""
    reach = max(abs(value) for outline, _ in OUTLINES[figure.shape]() for point in outline for value in point)
    column, row = (
        side_px / 2
        + direction * rng.uniform(LEAST_SHIFT, 1) * (side_px / 2 - reach * figure.radius_px)
        + (1 - abs(direction)) * (centre_px - SIDE_PX / 2)
        for side_px, centre_px, direction in zip(sides_px, figure.centre_px, PLACES[place], strict=True)
    )
    return column, row


def _on_canvas(figure: Figure, centre_px: tuple[float, float], sides_px: tuple[int, int]) -> np.ndarray:
    """`draw` knows squares only: the square around the figure, cut or continued to the canvas."""
    width, height = sides_px
    left, top = (round(centre - SIDE_PX / 2) for centre in centre_px)
    column, row = centre_px[0] - left, centre_px[1] - top
    square = draw(Figure(figure.shape, figure.colour_rgb, figure.background_rgb, (column, row), figure.radius_px))
    canvas = np.empty((height, width, 3), np.uint8)
    canvas[:] = figure.background_rgb
    rows = slice(max(0, top), min(height, top + SIDE_PX))
    columns = slice(max(0, left), min(width, left + SIDE_PX))
    canvas[rows, columns] = square[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
    return canvas
