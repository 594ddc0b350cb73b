"""The synthesis engine says what qwen-tts says, alone and in any crowd: named, designed and cloned voices."""

import pytest
import torch

from qwen_engine.tts.engine import TtsEngine
from tests.parity.official import CASES, CUSTOM_VOICE_CASES
from tests.parity.schedules import TOLERANCE, check_schedule, drive, heard, make_engine
from tests.recorder import run


@pytest.fixture(scope="module")
def engine(tmp_path_factory) -> TtsEngine:
    torch.set_num_threads(1)
    return make_engine(max_batch=12, voice_folder=str(tmp_path_factory.mktemp("voices")))


def assert_same(ours, theirs) -> None:
    torch.testing.assert_close(torch.from_numpy(ours), torch.from_numpy(theirs), atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_alone(engine, official, case):
    (sink,) = drive(engine, [case.request()], [0], [None])
    assert_same(heard(sink), official[case].audio)


@pytest.mark.parametrize("seed", range(1000, 1020))
def test_joins_and_leaves_change_nothing(engine, official, seed):
    check_schedule(engine, official, seed)


def test_a_batch_of_eight_says_what_each_says_alone(engine, official):
    sinks = drive(engine, [case.request() for case in CUSTOM_VOICE_CASES], [0] * 8, [None] * 8)
    for case, sink in zip(CUSTOM_VOICE_CASES, sinks, strict=True):
        assert sink.outcome() == "stop"
        assert_same(heard(sink), official[case].audio)


def test_a_seed_gives_the_same_sound_alone_and_in_a_crowd(engine):
    case = CUSTOM_VOICE_CASES[2]
    asked = [case.request(temperature=0.9, seed=seed) for seed in (5, 6, 5)]
    crowd = [heard(sink) for sink in run(engine, *asked)]
    (alone,) = (heard(sink) for sink in run(engine, asked[0]))
    assert len(alone) == len(crowd[0]) == len(crowd[2])
    assert_same(alone, crowd[0])
    assert len(crowd[1]) != len(alone) or abs(crowd[1] - alone).max() > 0.01
