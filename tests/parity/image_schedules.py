"""Requests for pictures that join and leave at any step, driven through the engine's seam."""

import random
from collections.abc import Mapping

import numpy as np

from qwen_engine.image.engine import ImageEngine
from qwen_engine.image.request import ImageRequest, Picture
from tests.parity.schedules import drive
from tests.recorder import Recorder, run

LATEST_ARRIVAL = 12
LATEST_CANCEL = 20

Pixels = np.ndarray  # (height, width, 3) uint8


def pictures(sink: Recorder) -> list[Pixels]:
    """What arrived, in the order of the request's pictures."""
    events = [event for event in sink.events if isinstance(event, Picture)]
    return [np.asarray(event.image) for event in sorted(events, key=lambda event: event.picture)]


def alone(engine: ImageEngine, requests: Mapping[str, ImageRequest]) -> dict[str, Pixels]:
    """Each request's picture without any company."""
    return {name: pictures(run(engine, request)[0])[0] for name, request in requests.items()}


def check_schedule(
    engine: ImageEngine, requests: Mapping[str, ImageRequest], expected: Mapping[str, Pixels], seed: int
) -> None:
    """A crowd that comes and goes changes no pixel by more than a level; and who comes after it, none at all."""
    rng = random.Random(seed)
    names = rng.choices(list(requests), k=rng.randint(3, 8))
    arrivals = [rng.randint(0, LATEST_ARRIVAL) for _ in names]
    cancels = [rng.randint(arrival, LATEST_CANCEL) if rng.random() < 0.3 else None for arrival in arrivals]
    for name, sink in zip(names, drive(engine, [requests[name] for name in names], arrivals, cancels), strict=True):
        if sink.outcome() == "cancelled":
            continue
        assert sink.outcome() == "stop"
        (ours,) = pictures(sink)
        difference = np.abs(ours.astype(int) - expected[name].astype(int)).max()
        assert difference <= 1, f"schedule {seed}, {name}: {difference} levels"
    last = names[0]
    np.testing.assert_array_equal(pictures(run(engine, requests[last])[0])[0], expected[last])
