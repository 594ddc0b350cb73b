"""Graphs of the recogniser's token step, on a CPU (see tests/graph_capture.py): they write what is written without."""

import random
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from qwen_engine.asr.engine import AsrEngine
from qwen_engine.asr.request import AsrRequest
from qwen_engine.asr.settings import AsrSettings
from qwen_engine.session import Session
from tests.graph_capture import record
from tests.recorder import Recorder

HOME = Path(__file__).resolve().parents[2]
SETTINGS = AsrSettings(checkpoint=str(HOME / "demo/checkpoints/asr"), max_batch=5, max_positions=700)


@pytest.fixture(scope="module")
def plain() -> AsrEngine:
    return AsrEngine(SETTINGS)


@pytest.fixture(scope="module")
def with_graphs() -> AsrEngine:
    return AsrEngine(SETTINGS, capture=record)


@pytest.fixture(scope="module")
def requests(audio) -> list[AsrRequest]:
    speech = np.concatenate(
        [soundfile.read(audio / f"{name}.wav", dtype="float32")[0] for name in ("request", "message")]
    )
    lengths_s = (0.7, 6.0, 2.5, 3.4, 1.1, 7.0, 4.2)
    return [AsrRequest(speech[: int(16000 * length_s)], max_new_tokens=40) for length_s in lengths_s]


def texts(engine: AsrEngine, requests: list[AsrRequest], seed: int) -> list[str]:
    """Requests that come at any step."""
    rng = random.Random(seed)
    arrivals = [rng.randint(0, 20) for _ in requests]
    sinks = [Recorder() for _ in requests]
    sessions = [Session(engine.prepare(request), sink) for request, sink in zip(requests, sinks, strict=True)]
    step = 0
    while not all(sink.ends for sink in sinks):
        engine.step([one for one, arrival in zip(sessions, arrivals, strict=True) if arrival <= step])
        step += 1
    for session in sessions:
        engine.retire(session)
    return [sink.events[0].text for sink in sinks]


@pytest.mark.parametrize("seed", range(2))
def test_graphs_write_what_is_written_without_them(plain, with_graphs, requests, seed):
    assert texts(with_graphs, requests, seed) == texts(plain, requests, seed)


def test_sampled_rows_run_beside_them(plain, with_graphs, requests):
    sampled = [AsrRequest(requests[0].samples, temperature=0.8, seed=3), *requests[1:]]
    assert texts(with_graphs, sampled, 0) == texts(plain, sampled, 0)


def test_what_was_captured_needs_the_model_no_more(with_graphs, requests, monkeypatch):
    expected = texts(with_graphs, requests, 1)
    for method in ("step", "draw"):
        monkeypatch.delattr(type(with_graphs.checkpoint.language_model), method)
    assert texts(with_graphs, requests, 1) == expected


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    torch.set_num_threads(1)
