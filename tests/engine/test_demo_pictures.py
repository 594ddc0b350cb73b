"""What the demo checkpoints can do with pictures given: follow instructions, and leave alone what is outside a mask."""

import random

import numpy as np
import pytest
from PIL import Image

from demo.training.edits import draw_edits
from demo.training.evaluate_image_edit import STEPS, marks
from demo.training.evaluate_inpainting import differences, requests, settings
from demo.training.manifest import CHECKPOINTS
from demo.training.pictures import SIDE_PX, draw, figure_of
from qwen_engine.image.engine import ImageEngine
from qwen_engine.image.request import ImageRequest, Picture
from tests.recorder import Recorder, run

NUM_EDITS = 12
MIN_RIGHT = 8  # of them; the manifest has the share of many more
NUM_MASKED = 6


@pytest.fixture(scope="module")
def engine():
    known = {"edit_checkpoint": str(CHECKPOINTS / "image_edit"), "reference_pixels": SIDE_PX**2}
    return ImageEngine(settings().model_copy(update=known))


def picture_of(sink: Recorder) -> Image.Image:
    assert sink.outcome() == "stop"
    return next(event.image for event in sink.events if isinstance(event, Picture))


def test_unseen_edits_are_done(engine):
    rng = random.Random(5)
    edits = draw_edits(NUM_EDITS, seed=5, held_out=True)
    asked = [
        ImageRequest(
            edit.text(rng),
            "edit",
            seed=number,
            steps=STEPS,
            images=(Image.fromarray(draw(figure_of(edit.before, rng))),),
        )
        for number, edit in enumerate(edits)
    ]
    drawn = [np.asarray(picture_of(sink)) for sink in run(engine, *asked)]
    right = [marks(edit, picture)["right"] for edit, picture in zip(edits, drawn, strict=True)]
    assert sum(right) >= MIN_RIGHT, right


def test_nothing_changes_outside_a_mask(engine):
    asked = requests()[:NUM_MASKED]
    for request, sink in zip(asked, run(engine, *asked), strict=True):
        outside, inside = differences(request, picture_of(sink))
        assert outside == 0
        assert inside > 0
