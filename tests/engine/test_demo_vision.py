"""What the demo checkpoint sees, and how requests live in the engine: they end, leave, fail and are refused alone."""

import random
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from demo.training.evaluate_vl import DESCRIBE, WHERE, marks
from demo.training.manifest import CHECKPOINTS
from demo.training.vl_pictures import PLACES, Example, example, noisy, scenes, worn
from demo.training.vl_text import ANSWERS
from qwen_engine.loop import EngineLoop
from qwen_engine.session import Session
from qwen_engine.vision.engine import VisionEngine
from qwen_engine.vision.request import VisionRequest, asked_about
from qwen_engine.vision.settings import VisionSettings
from qwen_wire.errors import InvalidRequest, ServerError
from tests.recorder import WAIT_S, Recorder, run, submit

NUM_PICTURES = 40
MIN_RIGHT = 36  # of them; the manifest has the share of a hundred others


@pytest.fixture(scope="module")
def engine() -> VisionEngine:
    return VisionEngine(VisionSettings(checkpoint=str(CHECKPOINTS / "vl"), max_batch=16, max_positions=256))


def request(engine: VisionEngine, pixels: np.ndarray, question: str = DESCRIBE, limit: int = 24) -> VisionRequest:
    return VisionRequest(asked_about(engine.checkpoint.processor.process(Image.fromarray(pixels)), question), limit)


def grey(sides: tuple[int, int] = (64, 64)) -> np.ndarray:
    return np.full((*sides, 3), 175, np.uint8)


@pytest.fixture(scope="module")
def unseen() -> list[Example]:
    """Scenes that no training showed, at any place, blurred and noisy."""
    rng = random.Random(6)
    shown = [
        example(scene, rng.choice(tuple(PLACES)), rng) for scene in rng.sample(scenes(held_out=True), NUM_PICTURES)
    ]
    return [
        Example(some.scene, some.place, noisy(worn(some.pixels, rng), rng.uniform(0, 12), number))
        for number, some in enumerate(shown)
    ]


def texts(sinks: list[Recorder]) -> list[str]:
    assert [sink.outcome() for sink in sinks] == ["stop"] * len(sinks)
    return [sink.events[0].text for sink in sinks]


def test_unseen_pictures_are_described_and_their_place_is_told(engine, unseen):
    described, places = (
        texts(run(engine, *(request(engine, some.pixels, question) for some in unseen)))
        for question in (DESCRIBE, WHERE)
    )
    right = [marks(some, *told)["all"] for some, *told in zip(unseen, described, places, strict=True)]
    assert sum(right) >= MIN_RIGHT, [*zip(described, places, right, strict=True)]


def test_unseen_pictures_are_described_in_chinese(engine, unseen):
    told = texts(run(engine, *(request(engine, some.pixels, "请描述这张图片。") for some in unseen)))
    right = [text == ANSWERS["chinese"](some.scene, some.place) for text, some in zip(told, unseen, strict=True)]
    assert sum(right) >= MIN_RIGHT, told


def test_an_answer_ends_where_its_budget_does(engine):
    (sink,) = run(engine, request(engine, grey(), limit=3))
    assert (sink.outcome(), sink.events[0].num_tokens) == ("length", 3)


def test_what_is_too_long_together_is_refused_at_once(engine):
    (sink,) = run(engine, request(engine, grey(), "What is it? " * 100))
    assert isinstance(sink.outcome(), InvalidRequest)
    assert "question and answer (OPTIONS.max_new_tokens: 24) take" in str(sink.outcome())


def test_a_picture_that_cannot_be_looked_at_fails_alone(engine):
    good, bad = request(engine, grey()), request(engine, grey())
    [view] = bad.views
    broken = replace(bad, turns=asked_about(replace(view, patches=view.patches[:-1]), bad.question))
    (alone,) = run(engine, good)
    first, failed, third, other = run(engine, good, broken, good, request(engine, grey((64, 96))))
    assert isinstance(failed.outcome(), ServerError)
    assert texts([first, third]) == texts([alone]) * 2
    assert other.outcome() == "stop"


def test_a_step_that_fails_ends_its_requests_and_harms_no_later_one(engine, monkeypatch):
    good = request(engine, grey())
    (alone,) = run(engine, good)
    step = engine.checkpoint.step

    def fails(rows, tokens):
        if len(tokens) == 3:
            raise RuntimeError("out of memory")
        return step(rows, tokens)

    monkeypatch.setattr(engine.checkpoint, "step", fails)
    assert {type(sink.outcome()) for sink in run(engine, good, good, good)} == {ServerError}
    assert texts(run(engine, good, good)) == texts([alone]) * 2


def test_a_caller_who_leaves_frees_the_row(engine):
    sinks, sessions = [Recorder(), Recorder()], []
    sessions = [Session(engine.prepare(request(engine, grey())), sink) for sink in sinks]
    engine.step(sessions)
    sessions[0].finish("cancelled")
    engine.retire(sessions[0])
    engine.step(sessions[1:])
    assert len(engine._cache) == 1
    while not sessions[1].ended:
        engine.step(sessions[1:])
    engine.retire(sessions[1])
    assert (len(engine._cache), engine._rows) == (0, [])
    assert texts(sinks[1:]) == texts(run(engine, request(engine, grey())))


def test_a_step_reads_no_more_prompts_than_it_may(engine, monkeypatch):
    monkeypatch.setattr(engine, "_max_step_positions", 1)
    sizes = []
    prefill = engine.checkpoint.prefill
    monkeypatch.setattr(
        engine.checkpoint, "prefill", lambda views, ids: (sizes.append(len(views)), prefill(views, ids))[1]
    )
    told = texts(run(engine, *[request(engine, grey())] * 5))
    assert sizes == [1] * 5
    assert len(set(told)) == 1


def test_more_requests_than_places_wait_their_turn(engine):
    loop = EngineLoop(engine, max_queue=64, max_wait_s=WAIT_S)
    sinks, _ = submit(loop, [request(engine, grey()) for _ in range(40)])
    assert len(set(texts(sinks))) == 1
    loop.close(WAIT_S)
    assert torch.get_num_threads() == 1
