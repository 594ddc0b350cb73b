"""Edits unseen pictures with the edit checkpoint and inspects them: `python -m demo.training.evaluate_image_edit`.

The pipeline is diffusers' own. Before and after an edit the inspection looks at shape, colour, background and size: an
edit is right where the one asked for has its new value and the three others have kept theirs.
"""

import random
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import QwenImageEditPlusPipeline
from diffusers.pipelines.qwenimage import pipeline_qwenimage_edit_plus
from PIL import Image

from demo.training.edits import ATTRIBUTES, Edit, draw_edits
from demo.training.evaluate_image import expected, shares
from demo.training.inspect_pixels import inspect
from demo.training.manifest import CHECKPOINTS, record
from demo.training.pictures import SIDE_PX, draw, figure_of
from qwen_engine.image.processor import load_processor

NUM_THREADS = 1
NUM_EDITS = 100
EDITS_SEED = 2
STEPS = 12
GUIDANCE = 1.0
CONTACT_SHEET = Path("build/training/edits.png")
NAME = "image_edit"


def load() -> QwenImageEditPlusPipeline:
    """Upstream's pipeline, which takes every picture at 1024×1024, told of the demo's size."""
    pipeline_qwenimage_edit_plus.VAE_IMAGE_SIZE = SIDE_PX**2
    folder = CHECKPOINTS / NAME
    pipeline = QwenImageEditPlusPipeline.from_pretrained(folder, processor=load_processor(folder), dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def edited(pipeline: QwenImageEditPlusPipeline, picture: np.ndarray, instruction: str, seed: int) -> np.ndarray:
    """uint8 (height, width, 3), as `picture`."""
    (image,) = pipeline(
        Image.fromarray(picture),
        instruction,
        negative_prompt=" " if GUIDANCE > 1 else None,
        true_cfg_scale=GUIDANCE,
        height=SIDE_PX,
        width=SIDE_PX,
        num_inference_steps=STEPS,
        generator=torch.Generator().manual_seed(seed),
    ).images
    return np.asarray(image)


def marks(edit: Edit, picture: np.ndarray) -> dict[str, bool]:
    """Whether what was asked for is there, whether the rest was kept, and both."""
    sight = inspect(picture)
    wanted = {**expected(edit.before), edit.attribute: edit.value}
    found = {name: getattr(sight, name) == value for name, value in wanted.items()}
    kept = all(found[name] for name in ATTRIBUTES if name != edit.attribute)
    return {"changed": found[edit.attribute], "kept": kept, "right": all(found.values())}


def inspect_all(edits: list[Edit], pictures: list[np.ndarray]) -> list[dict[str, bool]]:
    """Marks for every picture; prints what went wrong."""
    marked = []
    for edit, picture in zip(edits, pictures, strict=True):
        marked.append(marks(edit, picture))
        if not marked[-1]["right"]:
            print(f"{edit.before.phrase()}: {edit.attribute} {edit.value} -> {inspect(picture)}")
    return marked


def edit_all(pipeline: QwenImageEditPlusPipeline, edits: list[Edit], seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Every edit's picture before and after; `seed` draws pictures and words, and is the first picture's noise."""
    rng = random.Random(seed)
    pairs = []
    for number, edit in enumerate(edits):
        before = draw(figure_of(edit.before, rng))
        pairs.append((before, edited(pipeline, before, edit.text(rng), seed + number)))
    return pairs


def by_attribute(edits: list[Edit], marked: list[dict[str, bool]]) -> dict[str, float]:
    """The share of right ones among the edits of each kind."""
    count = Counter(edit.attribute for edit in edits)
    right = Counter(edit.attribute for edit, one in zip(edits, marked, strict=True) if one["right"])
    return {attribute: round(right[attribute] / count[attribute], 4) for attribute in ATTRIBUTES}


def contact_sheet(pairs: list[tuple[np.ndarray, np.ndarray]]) -> Image.Image:
    """The first 24, each above what became of it, eight in a row."""
    columns = [np.concatenate(pair) for pair in pairs[:24]]
    sheet = Image.fromarray(np.concatenate([np.concatenate(columns[row : row + 8], axis=1) for row in (0, 8, 16)]))
    return sheet.resize((sheet.width * 2, sheet.height * 2), Image.Resampling.NEAREST)


def evaluate() -> dict[str, Any]:
    edits = draw_edits(NUM_EDITS, seed=EDITS_SEED, held_out=True)
    pipeline = load()
    pairs = edit_all(pipeline, edits, seed=EDITS_SEED)
    contact_sheet(pairs).save(CONTACT_SHEET)
    marked = inspect_all(edits, [after for _, after in pairs])
    return {
        "held_out_edits": shares(marked),
        "right_by_attribute": by_attribute(edits, marked),
        "num_pictures": len(marked),
        "steps": STEPS,
        "true_cfg_scale": GUIDANCE,
    }


def main() -> None:
    torch.set_num_threads(NUM_THREADS)
    quality = evaluate()
    record(NAME, quality=quality)
    print(quality)


if __name__ == "__main__":
    main()
