"""diffusers' side: how long its pipeline takes for one picture after another (A) and in static batches (B)."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from perf.baselines.threads import Threads, faster_threads
from perf.baselines.worker import Worker
from perf.image.pictures import MOST_STEPS, PictureRequest


@dataclass(frozen=True)
class Official:
    """One call of the pipeline."""

    elapsed_s: float
    images: list[Image.Image]


def draw(worker: Worker, wanted: Sequence[PictureRequest], num_threads: int) -> Official:
    """`wanted` must have one size and number of steps."""
    (side_px,), (steps,) = {one.side_px for one in wanted}, {one.steps for one in wanted}
    job = {"prompts": [one.prompt for one in wanted], "seeds": [one.seed for one in wanted]}
    answer = worker.ask({**job, "side_px": side_px, "steps": steps, "num_threads": num_threads})
    images = [Image.open(io.BytesIO(base64.b64decode(file))).convert("RGB") for file in answer["pngs"]]
    return Official(answer["elapsed_s"], images)


def one_after_another(worker: Worker, wanted: Sequence[PictureRequest], num_threads: int) -> list[Official]:
    return [draw(worker, [one], num_threads) for one in wanted]


def groups(wanted: Sequence[PictureRequest]) -> list[list[int]]:
    """Those of equal settings, by their index."""
    settings = [(one.side_px, one.steps) for one in wanted]
    return [[at for at, one in enumerate(settings) if one == kind] for kind in dict.fromkeys(settings)]


def in_batches(worker: Worker, wanted: Sequence[PictureRequest], num_threads: int) -> list[Official]:
    """A batch for each of the groups."""
    return [draw(worker, [wanted[at] for at in group], num_threads) for group in groups(wanted)]


def choose_threads(worker: Worker, wanted: Sequence[PictureRequest]) -> Threads:
    """By the quicker pictures one after another, and by all batches."""
    quick = [one for one in wanted if one.steps < MOST_STEPS]
    one_after_another(worker, quick, 1)  # what is made once
    return faster_threads(
        lambda count: sum(one.elapsed_s for one in one_after_another(worker, quick, count)),
        lambda count: sum(one.elapsed_s for one in in_batches(worker, wanted, count)),
    )
