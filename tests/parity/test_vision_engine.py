"""The vision engine answers what transformers' generate answers, alone and in any crowd of pictures of any shapes."""

import random
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from demo.training.vl_model import new_model, save
from demo.training.vl_text import describing_tokenizer
from qwen_engine.prompt_tokenizer import HALF_CHARACTER
from qwen_engine.session import Session
from qwen_engine.vision.engine import VisionEngine
from qwen_engine.vision.request import Turn, VisionRequest, asked_about
from qwen_engine.vision.settings import VisionSettings
from tests.parity.upstream_vision import CHECKPOINT, QUESTIONS, UpstreamVision, pictures
from tests.recorder import Recorder, run

NUM_PICTURES = 24
LATEST_ARRIVAL = 30
LONGEST_ANSWER = 40


@dataclass(frozen=True)
class Bench:
    """Ours and theirs on one checkpoint; `official` are their answers to the `requests`, without half a character."""

    upstream: UpstreamVision
    engine: VisionEngine
    requests: list[VisionRequest]
    official: list[str]


@pytest.fixture(scope="module", params=["demo", "random weights"])
def bench(request, tmp_path_factory) -> Bench:
    """The demo checkpoint; and one that never comes to an end, so that answers differ everywhere and are long."""
    folder = CHECKPOINT if request.param == "demo" else random_checkpoint(tmp_path_factory.mktemp("vl") / "random")
    upstream, rng = UpstreamVision(folder), random.Random(3)
    engine = VisionEngine(VisionSettings(checkpoint=str(folder), max_batch=7, max_positions=512))
    asked = [(picture, rng.choice(QUESTIONS), rng.randint(1, LONGEST_ANSWER)) for picture in pictures(NUM_PICTURES, 1)]
    looked = [
        VisionRequest(asked_about(engine.checkpoint.processor.process(picture), question), *rest)
        for picture, question, *rest in asked
    ]
    return Bench(upstream, engine, looked, [upstream.answer(*one).rstrip(HALF_CHARACTER).rstrip() for one in asked])


def random_checkpoint(folder: Path) -> Path:
    torch.manual_seed(4)
    tokenizer = describing_tokenizer()
    save(new_model(tokenizer), tokenizer, folder)
    return folder


def texts(sinks: list[Recorder]) -> list[str]:
    assert {sink.outcome() for sink in sinks} <= {"stop", "length"}
    return [sink.events[0].text for sink in sinks]


def test_alone(bench):
    assert [text for request in bench.requests for text in texts(run(bench.engine, request))] == bench.official
    assert len(set(bench.official)) > NUM_PICTURES / 2


def test_all_at_once(bench):
    assert texts(run(bench.engine, *bench.requests)) == bench.official


@pytest.mark.parametrize("seed", range(3))
def test_joins_and_leaves_at_any_step_change_nothing(bench, seed):
    rng = random.Random(seed)
    sinks = [Recorder() for _ in bench.requests]
    prepared = map(bench.engine.prepare, bench.requests)
    sessions = [Session(*pair) for pair in zip(prepared, sinks, strict=True)]
    arrivals = {session: rng.randrange(LATEST_ARRIVAL) for session in sessions}
    leaving = {session: arrivals[session] + rng.randrange(1, 12) for session in rng.sample(sessions, 6)}
    step = 0
    while not all(session.ended for session in sessions):
        for session in sessions:
            if leaving.get(session) == step:
                session.finish("cancelled")
        bench.engine.step([one for one in sessions if arrivals[one] <= step and not one.ended])
        step += 1
    for sink, session, official in zip(sinks, sessions, bench.official, strict=True):
        assert session in leaving or texts([sink]) == [official]


def test_the_prompt_is_the_template_s(bench):
    upstream = UpstreamVision()
    prompts = bench.engine.checkpoint.prompts
    for question in QUESTIONS:
        ids = upstream.inputs(Image.new("RGB", (64, 128)), question)["input_ids"][0].tolist()
        assert prompts.ids([("user", [ids.count(prompts.picture), question])]) == ids


def conversation(rng: random.Random) -> list[tuple[str, list[Any]]]:
    """Roles and parts: up to three pictures among texts, each before its question or behind."""
    shown = pictures(3, rng.randrange(1000))[: rng.randint(1, 3)]
    turns: list[tuple[str, list[Any]]] = [("system", ["Be brief."])] if rng.random() < 0.5 else []
    for number, picture in enumerate(shown):
        question = "\n" * rng.randrange(2) + rng.choice(QUESTIONS)
        turns.append(("user", [picture, question] if rng.random() < 0.5 else [question, picture]))
        if number < len(shown) - 1:
            turns.append(("assistant", ["A small red circle."]))
    return turns


def test_conversations_with_several_pictures_are_those_of_upstream(bench):
    rng = random.Random(8)
    asked = [conversation(rng) for _ in range(10)]
    see = bench.engine.checkpoint.processor.process
    seen = [[Turn(role, [part if isinstance(part, str) else see(part) for part in parts]) for role, parts in turns]
            for turns in asked]  # fmt: skip
    upstream = [bench.upstream.converse(turns, 9).rstrip(HALF_CHARACTER).rstrip() for turns in asked]
    assert texts(run(bench.engine, *[VisionRequest(turns, 9) for turns in seen])) == upstream


def test_a_seed_gives_the_same_text_in_a_crowd(bench):
    drawn = [replace(one, temperature=1.5, seed=number) for number, one in enumerate(bench.requests[:8])]
    alone = [text for request in drawn for text in texts(run(bench.engine, request))]
    assert texts(run(bench.engine, *drawn, *bench.requests[8:16]))[:8] == alone
    other = [replace(one, seed=one.seed + 100) for one in drawn]
    assert texts(run(bench.engine, *other)) != alone
