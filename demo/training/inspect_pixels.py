"""Says what a picture shows from its pixels alone: shape, its colour, the background's colour.

It knows neither the prompt nor how pictures are drawn: the background is what the border shows, the shape is
what differs from it, told by its hole and by how often its outline repeats around its centre.
"""

from dataclasses import dataclass

import numpy as np

from demo.training.corpus import COLOURS

NEUTRAL = {"grey": (175, 175, 175)}
BORDER_PX = 2
MIN_CONTRAST = 40.0  # RGB distance below which there is nothing to see
MIN_HOLE = 0.1  # of the filled area
MIN_HARMONIC = 0.055  # relative; below it the outline is round
SMALL_BELOW, LARGE_ABOVE = 0.45, 0.625  # of the picture's side
SQUARE_SOLIDITY = 0.86  # area by that of the convex hull; a cross is about 0.7

Point = tuple[int, int]


@dataclass(frozen=True)
class Sight:
    """`shape` and `colour` are None when nothing stands out; `extent` is the shape's longer side by the picture's."""

    shape: str | None
    colour: str | None
    background: str
    extent: float

    @property
    def size(self) -> str:
        return "small" if self.extent < SMALL_BELOW else "large" if self.extent > LARGE_ABOVE else "medium"


def inspect(picture: np.ndarray) -> Sight:
    """`picture`: uint8 (height, width, 3)."""
    pixels = picture.astype(np.float64)
    border = np.concatenate([pixels[:BORDER_PX].reshape(-1, 3), pixels[-BORDER_PX:].reshape(-1, 3),
                             pixels[:, :BORDER_PX].reshape(-1, 3), pixels[:, -BORDER_PX:].reshape(-1, 3)])  # fmt: skip
    background_rgb = np.median(border, axis=0)
    distance = np.linalg.norm(pixels - background_rgb, axis=2)
    contrast = np.percentile(distance, 99)
    background = colour_name(background_rgb)
    if contrast < MIN_CONTRAST:
        return Sight(None, None, background, 0.0)
    colour_rgb = np.median(pixels[distance > 0.8 * contrast], axis=0)
    mask = _largest_part(distance > 0.5 * np.linalg.norm(colour_rgb - background_rgb))
    filled = ~_outside(mask)
    return Sight(_shape(mask, filled), colour_name(colour_rgb), background, _extent(mask))


def colour_name(rgb: np.ndarray) -> str:
    """The nearest colour of the vocabulary, or "grey"."""
    names = {**COLOURS, **NEUTRAL}
    return min(names, key=lambda name: float(np.linalg.norm(np.asarray(names[name]) - rgb)))


def _shape(mask: np.ndarray, filled: np.ndarray) -> str:
    if (filled & ~mask).sum() > MIN_HOLE * filled.sum():
        return "ring"
    strength = {count: _harmonic(filled, count) for count in (3, 4, 5)}
    count = max(strength, key=lambda key: strength[key])
    if strength[count] < MIN_HARMONIC:
        return "circle"
    if count == 4:
        return "square" if _solidity(filled) > SQUARE_SOLIDITY else "cross"
    return "triangle" if count == 3 else "star"


def _extent(mask: np.ndarray) -> float:
    rows, columns = np.nonzero(mask)
    return float(max(np.ptp(rows) + 1, np.ptp(columns) + 1) / max(mask.shape))


def _harmonic(filled: np.ndarray, count: int) -> float:
    """How strongly the area repeats `count` times around its centre, 0..1."""
    rows, columns = np.nonzero(filled)
    offset = (columns - columns.mean()) + 1j * (rows - rows.mean())
    radius, angle = np.abs(offset), np.angle(offset)
    return float(np.abs((radius * np.exp(1j * count * angle)).sum()) / radius.sum())


def _solidity(filled: np.ndarray) -> float:
    """Area by the area of the convex hull around the pixels' corners."""
    rows, columns = np.nonzero(filled)
    corners = {(x + dx, y + dy) for x, y in zip(columns.tolist(), rows.tolist(), strict=True)
               for dx in (0, 1) for dy in (0, 1)}  # fmt: skip
    hull = _convex_hull(sorted(corners))
    doubled = sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in zip(hull, hull[1:] + hull[:1], strict=True))
    return float(filled.sum() / (abs(doubled) / 2))


def _convex_hull(points: list[Point]) -> list[Point]:
    """Of sorted points, in order around the hull (monotone chain)."""

    def chain(ordered: list[Point]) -> list[Point]:
        kept: list[Point] = []
        for point in ordered:
            while len(kept) > 1 and _turn(kept[-2], kept[-1], point) <= 0:
                kept.pop()
            kept.append(point)
        return kept[:-1]

    return chain(points) + chain(points[::-1])


def _turn(first: Point, second: Point, third: Point) -> int:
    """Positive where the way through the three points bends towards the y axis."""
    (x1, y1), (x2, y2), (x3, y3) = first, second, third
    return (x2 - x1) * (y3 - y1) - (y2 - y1) * (x3 - x1)


def _flood(allowed: np.ndarray, seeds: list[Point]) -> np.ndarray:
    """Pixels of `allowed` connected to the seeds by their sides."""
    reached = np.zeros_like(allowed)
    waiting = [seed for seed in seeds if allowed[seed]]
    height, width = allowed.shape
    while waiting:
        row, column = waiting.pop()
        if reached[row, column]:
            continue
        reached[row, column] = True
        for near in ((row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)):
            if 0 <= near[0] < height and 0 <= near[1] < width and allowed[near] and not reached[near]:
                waiting.append(near)
    return reached


def _outside(mask: np.ndarray) -> np.ndarray:
    """What is not `mask` and hangs together with the border."""
    height, width = mask.shape
    border = [(row, column) for row in range(height) for column in range(width)
              if row in (0, height - 1) or column in (0, width - 1)]  # fmt: skip
    return _flood(~mask, border)


def _largest_part(mask: np.ndarray) -> np.ndarray:
    left = mask.copy()
    largest = np.zeros_like(mask)
    while left.sum() > largest.sum():
        part = _flood(left, [tuple(np.argwhere(left)[0].tolist())])
        left &= ~part
        if part.sum() > largest.sum():
            largest = part
    return largest
