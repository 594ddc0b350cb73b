"""Asks the demo checkpoint that sees about held-out pictures: `python -m demo.training.evaluate_vl`."""

import random
import time
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from transformers import Qwen3VLForConditionalGeneration

from demo.training.corpus import Scene, Sentence, written
from demo.training.evaluate_image import load, paint, shares
from demo.training.image_text import spelling
from demo.training.manifest import CHECKPOINTS, record
from demo.training.vl_model import new_image_processor
from demo.training.vl_pictures import OTHER_SIDES_PX, PLACES, Example, example, noisy, scenes, worn
from demo.training.vl_text import ANSWERS, QUESTIONS
from qwen_engine.vision.prompt import VisionPrompts, question_of

NUM_THREADS = 1
NUM_PICTURES = 100
SEED = 5
MAX_NOISE = 12.0  # of 255
MAX_NEW_TOKENS = 32
PAINTED_AT_ONCE = 20
NAME = "vl"
DESCRIBE, WHERE = question_of("", None), "Where is it?"
OTHER_KINDS = ("chinese", "whole", "shape", "colour", "background", "size")


class Viewer:
    """The checkpoint as transformers runs it; pictures of one shape share a batch."""

    def __init__(self) -> None:
        folder = CHECKPOINTS / NAME
        self._model = Qwen3VLForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()
        self._processor = new_image_processor()
        self._prompts = VisionPrompts(folder)

    def answers(self, pictures: Sequence[np.ndarray], question: str) -> list[str]:
        """To `question`, about each picture, uint8 (height, width, 3)."""
        by_shape: dict[tuple[int, ...], list[int]] = defaultdict(list)
        for number, picture in enumerate(pictures):
            by_shape[picture.shape].append(number)
        told = [""] * len(pictures)
        for numbers in by_shape.values():
            for number, text in zip(numbers, self._told([pictures[n] for n in numbers], question), strict=True):
                told[number] = text
        return told

    @torch.inference_mode()
    def _told(self, pictures: Sequence[np.ndarray], question: str) -> list[str]:
        seen = self._processor(images=[Image.fromarray(picture) for picture in pictures], return_tensors="pt")
        num_tokens = len(seen["pixel_values"]) // len(pictures) // self._processor.merge_size**2
        ids = torch.tensor([self._prompts.ids([("user", [num_tokens, question])])]).expand(len(pictures), -1)
        told = self._model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            mm_token_type_ids=(ids == self._prompts.picture).int(),
            max_new_tokens=MAX_NEW_TOKENS,
            **seen,
        )
        return [self._prompts.text(row[ids.shape[1] :].tolist()) for row in told]


def examples(rng: random.Random, *, any_shape: bool = False) -> list[Example]:
    """`NUM_PICTURES` drawings of scenes that no training showed, at any place."""
    chosen = rng.sample(scenes(held_out=True), NUM_PICTURES)
    places = [rng.choice(tuple(PLACES)) for _ in chosen]
    if not any_shape:
        return [example(scene, place, rng) for scene, place in zip(chosen, places, strict=True)]
    return [
        example(scene, place, rng, sides_px=rng.choice(OTHER_SIDES_PX))
        for scene, place in zip(chosen, places, strict=True)
    ]


def blurred(shown: Sequence[Example], rng: random.Random) -> list[Example]:
    """As cameras and JPEG leave them, and noisy."""
    return [
        Example(some.scene, some.place, noisy(worn(some.pixels, rng), rng.uniform(0, MAX_NOISE), number))
        for number, some in enumerate(shown)
    ]


def painted(rng: random.Random) -> list[Example]:
    """Held-out scenes as the demo image model paints them, in the centre."""
    pipeline = load()
    chosen = rng.sample(scenes(held_out=True), NUM_PICTURES)
    found: list[Example] = []
    for first in range(0, NUM_PICTURES, PAINTED_AT_ONCE):
        part = chosen[first : first + PAINTED_AT_ONCE]
        texts = [spelling(Sentence(written(scene.phrase()), scene.phrase(), scene), rng) for scene in part]
        pictures = paint(pipeline, texts, seeds=list(range(first, first + len(part))))
        found += [Example(scene, "centre", pixels) for scene, pixels in zip(part, pictures, strict=True)]
    return found


def marks(shown: Example, described: str, place: str) -> dict[str, bool]:
    """Which parts of a description are right, and whether all of it is, the place asked for too."""
    scene, words = shown.scene, described.rstrip(".").lower().split()
    size = next((word for word in words if word in ("small", "large")), None)
    head, _, behind = described.rstrip(".").partition(" on a")
    found = {
        "shape": scene.shape in words,
        "colour": scene.colour in head.lower().split(),
        "background": (scene.background or "") == behind.removeprefix("n").strip().removesuffix(" background"),
        "size": size == scene.size,
        "place": place == ANSWERS["where"](scene, shown.place),
    }
    return {**found, "all": place == ANSWERS["where"](scene, shown.place) and described == sentence(scene)}


def sentence(scene: Scene) -> str:
    return ANSWERS["describe"](scene, "centre")


def judged(viewer: Viewer, shown: Sequence[Example]) -> dict[str, float]:
    """Shares of what is right; prints what is wrong."""
    pictures = [some.pixels for some in shown]
    described, places = viewer.answers(pictures, DESCRIBE), viewer.answers(pictures, WHERE)
    marked = [marks(some, *told) for some, *told in zip(shown, described, places, strict=True)]
    for some, told, where, mark in zip(shown, described, places, marked, strict=True):
        if not mark["all"]:
            print(f"{sentence(some.scene)} {some.place} -> {told} {where}")
    return shares(marked)


def answered(viewer: Viewer, shown: Sequence[Example]) -> dict[str, float]:
    """Of the other questions, the share that is answered to the letter."""
    pictures = [some.pixels for some in shown]
    right = {}
    for kind in OTHER_KINDS:
        told = viewer.answers(pictures, QUESTIONS[kind][0])
        expected = [ANSWERS[kind](some.scene, some.place) for some in shown]
        right[kind] = float(np.mean([text == wanted for text, wanted in zip(told, expected, strict=True)]))
    return right


def seconds_a_picture(viewer: Viewer, shown: Sequence[Example]) -> float:
    """Median of descriptions one by one."""
    durations_s = []
    for some in shown[:10]:
        started_s = time.perf_counter()
        viewer.answers([some.pixels], DESCRIBE)
        durations_s.append(time.perf_counter() - started_s)
    return round(float(np.median(durations_s)), 3)


def evaluate() -> dict[str, Any]:
    viewer, rng = Viewer(), random.Random(SEED)
    shown = examples(rng)
    return {
        "num_pictures": NUM_PICTURES,
        "held_out_pictures": judged(viewer, shown),
        "blurred_and_noisy": judged(viewer, blurred(shown, rng)),
        "not_square": judged(viewer, examples(rng, any_shape=True)),
        "painted_by_the_image_checkpoint": judged(viewer, painted(rng)),
        "other_questions": answered(viewer, shown),
        "seconds_a_picture": seconds_a_picture(viewer, shown),
    }


def main() -> None:
    torch.set_num_threads(NUM_THREADS)
    quality = evaluate()
    record(NAME, quality=quality)
    print(quality)


if __name__ == "__main__":
    main()
