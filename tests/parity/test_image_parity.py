"""The image engine draws what diffusers' pipelines draw: alone bit for bit, in company within one level."""

import functools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from diffusers import FlowMatchEulerDiscreteScheduler

from qwen_engine.image.engine import ImageEngine
from qwen_engine.image.request import ImageRequest, Picture
from qwen_engine.image.settings import Preset
from tests.image_checkpoints import BASE, make_edit_checkpoint
from tests.parity.image_cases import BASE_REQUESTS, REFERENCE_PIXELS, REQUESTS, Layout, make_engine
from tests.parity.image_schedules import alone, check_schedule
from tests.parity.upstream_image import Upstream
from tests.recorder import Recorder, run

NUM_SCHEDULES = 20

CASES: list[tuple[Layout, str]] = [
    *(("edit-plus", name) for name in REQUESTS["edit-plus"]),
    *(("edit", name) for name in REQUESTS["edit"] if name not in BASE_REQUESTS),
]


@dataclass(frozen=True)
class Bench:
    """Ours and theirs on the same checkpoints."""

    engine: ImageEngine
    upstream: Upstream


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Layout], Bench]]:
    """One for each layout of edit checkpoints."""
    with pytest.MonkeyPatch.context() as patch:

        @functools.cache
        def made(layout: Layout) -> Bench:
            edit = make_edit_checkpoint(tmp_path_factory.mktemp(layout), layout, zero_cond_t=layout == "edit-plus")
            return Bench(make_engine(edit), Upstream(BASE, edit, REFERENCE_PIXELS, patch.setattr))

        yield made


def drawn(sink: Recorder) -> list[Picture]:
    assert sink.outcome() == "stop"
    return sorted((event for event in sink.events if isinstance(event, Picture)), key=lambda event: event.picture)


def outside(request: ImageRequest) -> np.ndarray:
    """(height, width, 1): where the picture may not change."""
    assert request.mask is not None
    return np.asarray(request.mask.resize((request.width, request.height)))[:, :, None] < 128


@pytest.mark.parametrize(("layout", "name"), CASES)
def test_alone_every_mode_is_equal_to_the_pipeline(bench, layout, name):
    (picture,) = drawn(run(bench(layout).engine, REQUESTS[layout][name])[0])
    ours, theirs = np.asarray(picture.image), bench(layout).upstream.draw(picture.request)
    if picture.request.mask is not None:  # where upstream's autoencoder blurs the rest, ours is what was given
        kept = np.asarray(picture.request.images[0].resize(picture.image.size))
        theirs = np.where(outside(picture.request), kept, theirs)
    np.testing.assert_array_equal(ours, theirs)


def test_several_pictures_have_the_seeds_that_follow(bench):
    request = ImageRequest("a large yellow ring", seed=21, num_images=3, steps=4, true_cfg_scale=2.0)
    pictures = drawn(run(bench("edit-plus").engine, request)[0])
    assert [picture.seed for picture in pictures] == [21, 22, 23]
    for picture in pictures:
        theirs = bench("edit-plus").upstream.draw(picture.request, picture.picture)
        np.testing.assert_allclose(np.asarray(picture.image).astype(int), theirs.astype(int), atol=1)


@pytest.mark.parametrize("steps", [4, 1])
def test_the_fast_preset_draws_by_lightnings_scheduler(bench, monkeypatch, steps):
    preset = Preset(steps=steps, true_cfg_scale=1.0, scheduler="lightning", lora=None)
    (picture,) = drawn(run(make_engine(presets={"fast": preset}), ImageRequest("a red ring", preset="fast"))[0])
    upstream = bench("edit-plus").upstream
    shift = math.log(3)
    scheduler = FlowMatchEulerDiscreteScheduler.from_config(
        upstream.base.scheduler.config, base_shift=shift, max_shift=shift, shift_terminal=None
    )
    monkeypatch.setattr(upstream.base, "scheduler", scheduler)
    assert picture.request.steps == steps
    np.testing.assert_array_equal(np.asarray(picture.image), upstream.draw(picture.request))


def test_a_crowd_that_comes_and_goes_changes_no_picture(bench):
    requests, engine = REQUESTS["edit-plus"], bench("edit-plus").engine
    expected = alone(engine, requests)
    for seed in range(NUM_SCHEDULES):
        check_schedule(engine, requests, expected, seed)
