"""Paints over parts of unseen pictures with the image engine: `python -m demo.training.evaluate_inpainting`.

What is asked for inside the mask was not trained; measured is that nothing outside it changes.
"""

import random
import threading
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw

from demo.training.corpus import scene_sentence, sentences
from demo.training.manifest import CHECKPOINTS, record
from demo.training.pictures import SIDE_PX, draw, figure_of
from qwen_engine.image.engine import ImageEngine
from qwen_engine.image.request import ImageRequest, Picture
from qwen_engine.image.settings import ImageSettings
from qwen_engine.loop import EngineLoop
from qwen_wire.errors import QwenError

NUM_THREADS = 1
NUM_PICTURES = 50
SEED = 4
STEPS = 12
MIN_MASK_PX = 8  # a side
WAIT_S = 600.0
NAME = "image"


class PictureSink:
    """Waits for the one picture of a request."""

    def __init__(self) -> None:
        self._picture: Image.Image | None = None
        self._error: QwenError | None = None
        self._ended = threading.Event()

    def emit(self, event: object) -> None:
        if isinstance(event, Picture):
            self._picture = event.image

    def end(self, reason: str, closing: dict[str, Any]) -> None:
        self._ended.set()

    def fail(self, error: QwenError) -> None:
        self._error = error
        self._ended.set()

    def is_disconnected(self) -> bool:
        return False

    def picture(self) -> Image.Image:
        if not self._ended.wait(WAIT_S):
            raise TimeoutError(f"no picture after {WAIT_S:g} s")
        if self._picture is None:
            raise self._error or RuntimeError("ended without a picture")
        return self._picture


def settings() -> ImageSettings:
    """As the demo profile has them."""
    return ImageSettings(
        checkpoint=str(CHECKPOINTS / NAME),
        width=SIDE_PX,
        height=SIDE_PX,
        steps=STEPS,
        true_cfg_scale=1.0,
        num_threads=NUM_THREADS,
    )


def random_mask(rng: random.Random) -> Image.Image:
    """White where the picture may change: a rectangle."""
    mask = Image.new("L", (SIDE_PX, SIDE_PX))
    width, height = (rng.randint(MIN_MASK_PX, SIDE_PX - MIN_MASK_PX) for _ in range(2))
    left, top = rng.randint(0, SIDE_PX - width), rng.randint(0, SIDE_PX - height)
    ImageDraw.Draw(mask).rectangle((left, top, left + width - 1, top + height - 1), fill=255)
    return mask


def requests() -> list[ImageRequest]:
    """A drawing of a held-out scene, in part of which another one is asked for."""
    rng = random.Random(SEED)
    asked = sentences(2 * NUM_PICTURES, seed=SEED, held_out=True, draw=scene_sentence)
    scenes = [sentence.scene for sentence in asked if sentence.scene]
    return [
        ImageRequest(
            wanted.phrase(),
            "inpaint",
            seed=number,
            images=(Image.fromarray(draw(figure_of(given, rng))),),
            mask=random_mask(rng),
        )
        for number, (given, wanted) in enumerate(zip(scenes[::2], scenes[1::2], strict=True))
    ]


def differences(request: ImageRequest, image: Image.Image) -> tuple[int, float]:
    """The largest outside the mask, the mean inside it; of a channel, in steps of 1/255."""
    assert request.mask is not None
    difference = np.abs(np.asarray(image).astype(int) - np.asarray(request.images[0]))
    may_change = np.asarray(request.mask) > 0
    return int(difference[~may_change].max()), float(difference[may_change].mean())


def main() -> None:
    torch.set_num_threads(NUM_THREADS)
    loop = EngineLoop(ImageEngine(settings()), max_queue=NUM_PICTURES, max_wait_s=WAIT_S)
    asked = [(request, PictureSink()) for request in requests()]
    loop.submit(asked)
    outside, inside = zip(*(differences(request, sink.picture()) for request, sink in asked), strict=True)
    loop.close(WAIT_S)
    facts = {
        "num_pictures": NUM_PICTURES,
        "largest_change_outside_the_mask": max(outside),
        "mean_change_inside": round(float(np.mean(inside)), 1),
    }
    record(NAME, inpainting=facts)
    print(facts)


if __name__ == "__main__":
    main()
