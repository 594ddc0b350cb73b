"""Draws held-out requests with the picture checkpoint and inspects them: `python -m demo.training.evaluate_image`."""

import random
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import QwenImagePipeline
from PIL import Image, ImageFilter

from demo.training.corpus import Scene, Sentence, scene_sentence, sentences
from demo.training.image_text import spelling
from demo.training.inspect_pixels import Sight, inspect
from demo.training.manifest import CHECKPOINTS, record
from demo.training.pictures import SIDE_PX, draw, figure_of

NUM_THREADS = 1
NUM_REQUESTS = 100
REQUESTS_SEED = 2
NUM_ROUNDS = 3  # each with other noise
STEPS = 12
GUIDANCE = 1.0
BATCH = 20
NUM_TIMED = 5
MAX_BLUR_PX, MAX_NOISE = 1.2, 12.0  # laid over drawn pictures to try the inspection
CONTACT_SHEET = Path("build/training/contact.png")
NAME = "image"


def expected(scene: Scene) -> dict[str, str]:
    """What the inspection should say."""
    default = "grey" if scene.colour == "white" else "white"
    return {
        "shape": scene.shape,
        "colour": scene.colour,
        "background": scene.background or default,
        "size": scene.size or "medium",
    }


def marks(scene: Scene, sight: Sight) -> dict[str, bool]:
    """Which features are right; `right` without the size, which words bound only loosely."""
    found = {name: getattr(sight, name) == value for name, value in expected(scene).items()}
    return {**found, "right": found["shape"] and found["colour"] and found["background"]}


def shares(marked: list[dict[str, bool]]) -> dict[str, float]:
    return {name: round(float(np.mean([marks[name] for marks in marked])), 4) for name in marked[0]}


def inspection_quality(requests: list[Sentence]) -> dict[str, float]:
    """How often the inspection is right about drawn pictures under random blur and noise."""
    rng, noise = random.Random(REQUESTS_SEED), np.random.default_rng(REQUESTS_SEED)
    marked = []
    for scene in (request.scene for request in requests * 5):
        assert scene is not None
        blur = ImageFilter.GaussianBlur(rng.uniform(0, MAX_BLUR_PX))
        picture = np.asarray(Image.fromarray(draw(figure_of(scene, rng))).filter(blur))
        noisy = picture + noise.normal(0, rng.uniform(0, MAX_NOISE), picture.shape)
        marked.append(marks(scene, inspect(noisy.clip(0, 255).astype(np.uint8))))
    return shares(marked)


def load() -> QwenImagePipeline:
    pipeline = QwenImagePipeline.from_pretrained(CHECKPOINTS / NAME, dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def paint(pipeline: QwenImagePipeline, texts: list[str], seeds: list[int]) -> np.ndarray:
    """uint8 (texts, height, width, 3); every row has its own noise, as if asked alone."""
    images = pipeline(
        texts,
        negative_prompt=[" "] * len(texts) if GUIDANCE > 1 else None,
        true_cfg_scale=GUIDANCE,
        height=SIDE_PX,
        width=SIDE_PX,
        num_inference_steps=STEPS,
        generator=[torch.Generator().manual_seed(seed) for seed in seeds],
        output_type="np",
    ).images
    return (images * 255).round().astype(np.uint8)


def paint_all(pipeline: QwenImagePipeline, texts: list[str], round_number: int) -> list[np.ndarray]:
    """Every round draws with noise of its own."""
    pictures: list[np.ndarray] = []
    for first in range(0, len(texts), BATCH):
        part = texts[first : first + BATCH]
        pictures.extend(paint(pipeline, part, [round_number * NUM_REQUESTS + first + row for row in range(len(part))]))
    return pictures


def inspect_all(requests: list[Sentence], pictures: list[np.ndarray]) -> list[dict[str, bool]]:
    """Marks for every picture; prints what went wrong."""
    marked = []
    for request, picture in zip(requests, pictures, strict=True):
        assert request.scene is not None
        sight = inspect(picture)
        marked.append(marks(request.scene, sight))
        if not marked[-1]["right"]:
            print(f"{request.text} -> {sight}")
    return marked


def seconds_a_picture(pipeline: QwenImagePipeline, requests: list[Sentence]) -> float:
    """Median of single requests."""
    durations_s = []
    for request in requests[:NUM_TIMED]:
        started_s = time.perf_counter()
        paint(pipeline, [request.text], seeds=[0])
        durations_s.append(time.perf_counter() - started_s)
    return round(float(np.median(durations_s)), 3)


def contact_sheet(pictures: list[np.ndarray]) -> Image.Image:
    """The first sixteen, four in a row, twice as large."""
    rows = [np.concatenate(pictures[first : first + 4], axis=1) for first in range(0, 16, 4)]
    sheet = Image.fromarray(np.concatenate(rows))
    return sheet.resize((sheet.width * 2, sheet.height * 2), Image.Resampling.NEAREST)


def evaluate() -> dict[str, Any]:
    requests = sentences(NUM_REQUESTS, seed=REQUESTS_SEED, held_out=True, draw=scene_sentence)
    pipeline = load()
    texts = [request.text for request in requests]
    rounds = [paint_all(pipeline, texts, number) for number in range(NUM_ROUNDS)]
    contact_sheet(rounds[0]).save(CONTACT_SHEET)
    rng = random.Random(REQUESTS_SEED)
    respelled = paint_all(pipeline, [spelling(request, rng) for request in requests], NUM_ROUNDS)
    return {
        "inspection_of_drawn_pictures": inspection_quality(requests),
        "held_out_requests": shares([one for pictures in rounds for one in inspect_all(requests, pictures)]),
        "held_out_requests_spelled_otherwise": shares(inspect_all(requests, respelled)),
        "num_pictures": NUM_ROUNDS * len(requests),
        "steps": STEPS,
        "true_cfg_scale": GUIDANCE,
        "seconds_a_picture": seconds_a_picture(pipeline, requests),
    }


def main() -> None:
    torch.set_num_threads(NUM_THREADS)
    quality = evaluate()
    record(NAME, quality=quality)
    print(quality)


if __name__ == "__main__":
    main()
