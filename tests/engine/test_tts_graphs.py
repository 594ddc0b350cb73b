"""Graphs of the frame step and the codec, on a CPU: what is recorded once is repeated on the same addresses."""

import random
from collections.abc import Sequence

import numpy as np
import pytest
import torch

from perf.tts.texts import benchmark_texts
from qwen_engine.graphs import bucket_sizes
from qwen_engine.sampling import Sampling
from qwen_engine.tts.engine import TtsEngine
from qwen_engine.tts.request import speak_request
from qwen_engine.tts.settings import TtsSettings
from qwen_server.home import project_home
from qwen_wire.options import TtsOptions
from tests.graph_capture import record
from tests.parity.schedules import drive, heard
from tests.recorder import Recorder

NUM_SLOTS = 5
SETTINGS = TtsSettings(
    checkpoint=str(project_home() / "demo/checkpoints/tts"),
    temperature=0.0,
    max_batch=NUM_SLOTS,
    max_positions=512,
)
USUAL = Sampling(temperature=0.9, repetition_penalty=1.05), Sampling(temperature=0.9)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def plain() -> TtsEngine:
    return TtsEngine(SETTINGS)


@pytest.fixture(scope="module")
def with_graphs() -> TtsEngine:
    return TtsEngine(SETTINGS, capture=record)


def crowd(engine: TtsEngine, seed: int, options: Sequence[dict]) -> list[Recorder]:
    """Requests that come and go, each sampled as one of `options` says."""
    rng = random.Random(seed)
    texts = rng.choices(benchmark_texts(16), k=NUM_SLOTS)  # nobody waits for a place here
    arrivals = [rng.randint(0, 30) for _ in texts]
    cancels = [rng.randint(arrival, 50) if rng.random() < 0.3 else None for arrival in arrivals]
    asked = [TtsOptions(seed=seed, text_feed=rng.choice(("ahead", "beside")), **rng.choice(options)) for _ in texts]
    requests = [speak_request(text, one, SETTINGS, None) for text, one in zip(texts, asked, strict=True)]
    return drive(engine, requests, arrivals, cancels)


SAMPLED = [{"temperature": 0.9}, {"temperature": 0.0}]
MANY = [*SAMPLED, {"temperature": 0.7, "top_p": 0.8}, {"temperature": 1.0, "top_k": 20, "repetition_penalty": 1.2}]


@pytest.mark.parametrize("options", [[{}], SAMPLED, MANY], ids=["greedy", "sampled", "beside what was captured"])
@pytest.mark.parametrize("seed", range(2))
def test_graphs_say_what_the_engine_says_without_them(plain, with_graphs, seed, options):
    for ours, theirs in zip(crowd(with_graphs, seed, options), crowd(plain, seed, options), strict=True):
        sounds = heard(ours), heard(theirs)
        if "cancelled" in (ours.outcome(), theirs.outcome()):  # how far each came by then is the codec's pace
            shorter = min(map(len, sounds))
            sounds = sounds[0][:shorter], sounds[1][:shorter]
        else:
            assert ours.outcome() == theirs.outcome()
        np.testing.assert_allclose(*sounds, atol=1e-5)


def test_what_was_captured_needs_the_talker_no_more(with_graphs, monkeypatch):
    (batch,) = with_graphs._batches.values()
    for method in ("draw", "advance"):
        monkeypatch.delattr(type(batch._talker._talker), method)
    assert {sink.outcome() for sink in crowd(with_graphs, 1, SAMPLED)} <= {"stop", "length", "cancelled"}


def test_what_no_graph_was_made_for_runs_without(with_graphs):
    (batch,) = with_graphs._batches.values()
    talker = batch._talker
    captured, other = talker.samplers([USUAL] * 3), talker.samplers([(Sampling(top_p=0.5), Sampling())] * 3)
    assert len(captured[0]._greedy) == 4  # the bucket
    assert len(other[0]._greedy) == 3


def test_a_number_worked_out_in_python_stays_as_it_was_recorded():
    """The stand-in is as strict as a graph."""
    source, target, factor = torch.ones(2), torch.zeros(2), [3.0]
    repeat = record(lambda: target.copy_(source * factor[0]))
    source.fill_(2.0)
    factor[0] = 5.0
    repeat()
    assert target.tolist() == [6.0, 6.0]
    with pytest.raises(AssertionError, match="needs the host"):
        record(lambda: target.fill_(source.sum().item()))


def test_buckets_double_up_to_the_last():
    assert bucket_sizes(1, 6) == [1, 2, 4, 6]
    assert bucket_sizes(1, 1) == [1]
    assert bucket_sizes(256, 512) == [256, 512]
    assert bucket_sizes(256, 100) == [100]
