"""From rounds to metrics."""

import statistics
from collections.abc import Sequence

import numpy as np
from PIL.Image import Image

from perf.image.baseline import Official
from perf.image.generation import GeneratedPicture, makespan_s
from perf.image.pictures import FEWEST_STEPS
from perf.image.rounds import Round
from perf.metrics import Goal, Metric, ratio, spread

LARGEST_DIFFERENCE = 1  # of 255: what other batch mates may change
PREVIEW_GOAL = Goal(3.0, at_most=True)


def metrics(rounds: Sequence[Round]) -> list[Metric]:
    """The four; every round is a repetition."""
    return [images_per_s(rounds), fast_latency(rounds), makespan(rounds), first_preview(rounds)]


def images_per_s(rounds: Sequence[Round]) -> Metric:
    ours = [len(one.ours) / makespan_s(one.ours) for one in rounds]
    theirs = [len(one.official) / sum(each.elapsed_s for each in one.official) for one in rounds]
    return ratio("images_per_s_vs_sequential", ours, theirs, "images/s", Goal(2.0), **_same_work(rounds))


def fast_latency(rounds: Sequence[Round]) -> Metric:
    """The mean of the pictures of the fewest steps; theirs waited for their turn in the same order."""
    ours = [_fast_ms(one, [each.latency_s for each in one.ours]) for one in rounds]
    theirs = [_fast_ms(one, one.queued_s) for one in rounds]
    goal = Goal(0.25, at_most=True)
    return ratio("fast_request_latency_vs_sequential", ours, theirs, "ms", goal, steps=FEWEST_STEPS)


def makespan(rounds: Sequence[Round]) -> Metric:
    ours = [makespan_s(one.ours) for one in rounds]
    theirs = [one.batched_s for one in rounds]
    return ratio("makespan_vs_static_batch", ours, theirs, "s", Goal(1.1, at_most=True))


def first_preview(rounds: Sequence[Round]) -> Metric:
    """Of each round, the median of its requests."""
    name = "first_preview_steps"
    each = [[drawn.preview_steps for drawn in one.previewed] for one in rounds]
    told = [[steps for steps in one if steps is not None] for one in each]
    if told != each:
        return Metric(name, None, "steps", PREVIEW_GOAL, {"why": "requests ended without a preview"})
    figures = spread([statistics.median(steps) for steps in told])
    slowest = round(max(max(steps) for steps in told), 2)
    step_ms = spread([1000 * drawn.step_s for one in rounds for drawn in one.previewed])
    detail = {**figures, "repetitions": len(rounds), "slowest": slowest, "step_ms": step_ms}
    return Metric(name, figures["median"], "steps", PREVIEW_GOAL, detail)


def _fast_ms(one: Round, latencies_s: Sequence[float]) -> float:
    fast = [
        latency_s for wanted, latency_s in zip(one.wanted, latencies_s, strict=True) if wanted.steps == FEWEST_STEPS
    ]
    return 1000 * statistics.mean(fast)


def _same_work(rounds: Sequence[Round]) -> dict[str, int]:
    """The same pictures, or the comparison is not of equals."""
    pairs = [pair for one in rounds for pair in zip(one.official, one.ours, strict=True)]
    return {"num_pictures": len(rounds[0].ours), "other_pictures": sum(_differ(*pair) for pair in pairs)}


def _differ(official: Official, drawn: GeneratedPicture) -> bool:
    assert drawn.image is not None
    theirs, ours = _pixels(official.images[0]), _pixels(drawn.image)
    return theirs.shape != ours.shape or int(np.abs(theirs - ours).max()) > LARGEST_DIFFERENCE


def _pixels(image: Image) -> np.ndarray:
    return np.asarray(image, np.int16)
