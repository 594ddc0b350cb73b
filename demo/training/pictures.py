"""Draws scenes: a filled shape on a plain background, as 64×64 RGB pictures."""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from demo.training.corpus import COLOURS, SHAPES, Scene

SIDE_PX = 64
OVERSAMPLING = 4
RADIUS_PX = {"small": (12.5, 13.0), None: (17.5, 18.0), "large": (23.5, 24.0)}  # no size named: medium
MAX_SHIFT_PX = 1.0  # of the centre, each way
DEFAULT_BACKGROUND_RGB = (245, 245, 245)
DEFAULT_BACKGROUND_BEHIND_WHITE_RGB = (175, 175, 175)

Rgb = tuple[int, int, int]
Points = list[tuple[float, float]]


@dataclass(frozen=True)
class Figure:
    """A picture's content in numbers; centre and radius in pixels of a `SIDE_PX` square picture."""

    shape: str
    colour_rgb: Rgb
    background_rgb: Rgb
    centre_px: tuple[float, float]
    radius_px: float


def figure_of(scene: Scene, rng: random.Random) -> Figure:
    """The scene with what it leaves open (place, exact size) drawn at random, and its default background."""
    default = DEFAULT_BACKGROUND_BEHIND_WHITE_RGB if scene.colour == "white" else DEFAULT_BACKGROUND_RGB
    background = COLOURS[scene.background] if scene.background else default
    return Figure(scene.shape, COLOURS[scene.colour], background, _centre(rng), rng.uniform(*RADIUS_PX[scene.size]))


def random_figure(rng: random.Random) -> Figure:
    """A shape of any size in any two colours."""
    radius_px = rng.uniform(RADIUS_PX["small"][0], RADIUS_PX["large"][1])
    return Figure(rng.choice(SHAPES), _any_rgb(rng), _any_rgb(rng), _centre(rng), radius_px)


def draw(figure: Figure) -> np.ndarray:
    """uint8 (height, width, 3), edges smoothed by oversampling."""
    side_px = SIDE_PX * OVERSAMPLING
    picture = Image.new("RGB", (side_px, side_px), figure.background_rgb)
    radius_px = figure.radius_px * OVERSAMPLING
    column, row = (value * OVERSAMPLING for value in figure.centre_px)
    pen = ImageDraw.Draw(picture)
    for outline, is_hole in OUTLINES[figure.shape]():
        points = [(column + x * radius_px, row + y * radius_px) for x, y in outline]
        pen.polygon(points, fill=figure.background_rgb if is_hole else figure.colour_rgb)
    return np.asarray(picture.resize((SIDE_PX, SIDE_PX), Image.Resampling.BOX))


def _centre(rng: random.Random) -> tuple[float, float]:
    middle_px = SIDE_PX / 2
    return (middle_px + rng.uniform(-MAX_SHIFT_PX, MAX_SHIFT_PX), middle_px + rng.uniform(-MAX_SHIFT_PX, MAX_SHIFT_PX))


def _any_rgb(rng: random.Random) -> Rgb:
    return (rng.randrange(256), rng.randrange(256), rng.randrange(256))


def _on_circle(radii: list[float], first_angle: float = -math.pi / 2) -> Points:
    """Corners at equal angles, the first one at the top; y grows downwards."""
    angles = [first_angle + 2 * math.pi * number / len(radii) for number in range(len(radii))]
    return [(radius * math.cos(angle), radius * math.sin(angle)) for radius, angle in zip(radii, angles, strict=True)]


def _circle() -> list[tuple[Points, bool]]:
    return [(_on_circle([1.0] * 90), False)]


def _square() -> list[tuple[Points, bool]]:
    side = 0.9
    return [([(-side, -side), (side, -side), (side, side), (-side, side)], False)]


def _triangle() -> list[tuple[Points, bool]]:
    return [(_on_circle([1.12] * 3), False)]


def _star() -> list[tuple[Points, bool]]:
    return [(_on_circle([1.1, 0.46] * 5), False)]


def _ring() -> list[tuple[Points, bool]]:
    return [(_on_circle([1.0] * 90), False), (_on_circle([0.55] * 90), True)]


def _cross() -> list[tuple[Points, bool]]:
    end, arm = 1.0, 0.33
    upright = [(-arm, -end), (arm, -end), (arm, end), (-arm, end)]
    return [(upright, False), ([(y, x) for x, y in upright], False)]


OUTLINES: dict[str, Callable[[], list[tuple[Points, bool]]]] = {  # in units of the radius; True: a hole
    "circle": _circle,
    "square": _square,
    "triangle": _triangle,
    "star": _star,
    "ring": _ring,
    "cross": _cross,
}
