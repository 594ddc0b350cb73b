"""Named aspect ratios."""

import math

from qwen_wire.options import Aspect

# The sizes Qwen-Image was trained at.
TRAINED: dict[Aspect, tuple[int, int]] = {
    "1:1": (1328, 1328),
    "4:3": (1472, 1104),
    "3:4": (1104, 1472),
    "3:2": (1584, 1056),
    "2:3": (1056, 1584),
    "16:9": (1664, 928),
    "9:16": (928, 1664),
}
MULTIPLE = 16


def aspect_size(aspect: Aspect, width: int, height: int) -> tuple[int, int]:
    """Width and height of that ratio with about as many pixels as `width` x `height`; at 1328 x 1328, those trained."""
    square, _ = TRAINED["1:1"]
    scale = math.sqrt(width * height) / square
    wide, high = TRAINED[aspect]
    return _rounded(wide * scale), _rounded(high * scale)


def _rounded(pixels: float) -> int:
    return max(MULTIPLE, round(pixels / MULTIPLE) * MULTIPLE)
