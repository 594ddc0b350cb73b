"""The benchmark of pictures: from times to figures, without a server."""

import base64
import io

import pytest
from PIL import Image

from perf.baselines.threads import Threads
from perf.image import baseline, results
from perf.image.baseline import Official
from perf.image.generation import GeneratedPicture
from perf.image.pictures import AT_ONCE, MOST_STEPS, SIDES_PX, STEPS, PictureRequest, request_mixes
from perf.image.rounds import Round

GREY, LIGHTER, WHITE = (Image.new("RGB", (16, 16), (level,) * 3) for level in (100, 101, 255))
WANTED = [
    PictureRequest("a", 64, 50, 0),
    PictureRequest("b", 64, 4, 1),
    PictureRequest("c", 96, 4, 2),
    PictureRequest("d", 64, 50, 3),
]


def drawn(complete_s: float, image: Image.Image = GREY, first_preview_s: float | None = None) -> GeneratedPicture:
    """Sent at 10 s; its steps came every half second from 11 s on."""
    return GeneratedPicture(10.0, [11.0, 11.5, 12.0, 12.5], first_preview_s, complete_s, image)


ROUND = Round(
    wanted=WANTED,
    official=[Official(8.0, [GREY]), Official(1.0, [GREY]), Official(2.0, [GREY]), Official(7.0, [GREY])],
    batches=[Official(12.0, [GREY] * 2), Official(1.5, [GREY]), Official(1.8, [GREY])],
    ours=[drawn(16.0), drawn(10.6), drawn(11.0, LIGHTER), drawn(15.0, WHITE)],
    previewed=[drawn(20.0, first_preview_s=11.0), drawn(20.0, first_preview_s=11.5)],
)


def test_pictures_a_second_are_compared_with_one_after_another():
    metric = results.images_per_s([ROUND])
    assert metric.value == pytest.approx((4 / 6.0) / (4 / 18.0))
    assert metric.met
    assert metric.detail["other_pictures"] == 1


def test_quick_requests_are_compared_with_those_that_waited_for_their_turn():
    metric = results.fast_latency([ROUND])
    assert metric.detail["theirs"]["median"] == pytest.approx(1000 * (9.0 + 11.0) / 2)
    assert metric.value == pytest.approx(0.8 / 10.0)
    assert metric.met


def test_a_static_batch_that_is_slower_than_its_pictures_alone_is_not_made():
    metric = results.makespan([ROUND])
    assert metric.detail["theirs"]["median"] == pytest.approx(12.0 + 1.0 + 1.8)
    assert metric.value == pytest.approx(6.0 / 14.8, abs=1e-3)


def test_the_first_preview_is_told_in_steps_of_its_own_request():
    metric = results.first_preview([ROUND])
    assert metric.value == pytest.approx((2.0 + 3.0) / 2)
    assert metric.detail["slowest"] == 3.0
    assert metric.met


def test_without_previews_nothing_is_judged():
    one = Round(WANTED, ROUND.official, ROUND.batches, ROUND.ours, [drawn(20.0)])
    metric = results.first_preview([one])
    assert metric.value is None
    assert "preview" in metric.detail["why"]


def test_every_metric_has_its_name_and_goal():
    named = {metric.name: str(metric.goal) for metric in results.metrics([ROUND])}
    assert named == {
        "images_per_s_vs_sequential": "≥ 2",
        "fast_request_latency_vs_sequential": "≤ 0.25",
        "makespan_vs_static_batch": "≤ 1.1",
        "first_preview_steps": "≤ 3",
    }


def test_request_mixes_have_the_same_settings_in_another_order_and_no_prompt_twice():
    mixes = request_mixes(15)
    settings = [[(one.side_px, one.steps) for one in mix] for mix in mixes]
    assert all(sorted(one) == sorted((side, steps) for side in SIDES_PX for steps in STEPS) for one in settings)
    assert settings[0] != settings[1]
    prompts = [one.prompt for mix in mixes for one in mix]
    assert len(set(prompts)) == len(prompts) == 15 * AT_ONCE
    assert mixes == request_mixes(15)


class FakeWorker:
    """Takes a second a call, and a quarter more with two threads."""

    def __init__(self) -> None:
        self.jobs: list[dict] = []

    def ask(self, job):
        self.jobs.append(job)
        file = io.BytesIO()
        GREY.save(file, "PNG")
        png = base64.b64encode(file.getvalue()).decode()
        return {"elapsed_s": 1.0 + (job["num_threads"] - 1) / 4, "pngs": [png] * len(job["prompts"])}


def test_static_batches_hold_what_has_equal_settings():
    worker = FakeWorker()
    answers = baseline.in_batches(worker, WANTED, num_threads=1)
    assert [job["prompts"] for job in worker.jobs] == [["a", "d"], ["b"], ["c"]]
    assert [job["seeds"] for job in worker.jobs] == [[0, 3], [1], [2]]
    assert [len(answer.images) for answer in answers] == [2, 1, 1]
    assert answers[0].images[0].getpixel((0, 0)) == (100, 100, 100)


def test_each_baseline_gets_its_better_number_of_threads(monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    worker = FakeWorker()
    threads = baseline.choose_threads(worker, WANTED)
    tried_s = {"sequential": {1: 2.0, 2: 2.5}, "static_batch": {1: 3.0, 2: 3.75}}
    assert threads == Threads(sequential=1, batch=1, tried_s=tried_s)
    assert all(job["steps"] < MOST_STEPS for job in worker.jobs[:6])
