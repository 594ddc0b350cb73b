"""The synthesis engine says what qwen-tts says, alone and in any crowd."""

import pytest
import torch

from qwen_engine.tts.engine import TtsEngine
from tests.parity.official import CHECKPOINTS, CUSTOM_VOICE_CASES
from tests.parity.schedules import TOLERANCE, check_schedule, drive, heard, make_engine, request_of
from tests.recorder import run


@pytest.fixture(scope="module")
def engine() -> TtsEngine:
    torch.set_num_threads(1)
    return make_engine(CHECKPOINTS / "tts", max_batch=12)


@pytest.mark.parametrize("seed", range(1000, 1020))
def test_joins_and_leaves_change_nothing(engine, official_custom_voice, seed):
    check_schedule(engine, official_custom_voice, seed)


def test_a_batch_of_eight_says_what_each_says_alone(engine, official_custom_voice):
    sinks = drive(engine, [request_of(case) for case in CUSTOM_VOICE_CASES], [0] * 8, [None] * 8)
    for case, sink in zip(CUSTOM_VOICE_CASES, sinks, strict=True):
        assert sink.outcome() == "stop"
        torch.testing.assert_close(
            torch.from_numpy(heard(sink)), torch.from_numpy(official_custom_voice[case].audio), atol=TOLERANCE, rtol=0
        )


def test_a_seed_gives_the_same_sound_alone_and_in_a_crowd(engine):
    case = CUSTOM_VOICE_CASES[2]
    asked = [request_of(case, temperature=0.9, seed=seed) for seed in (5, 6, 5)]
    crowd = [heard(sink) for sink in run(engine, *asked)]
    (alone,) = (heard(sink) for sink in run(engine, asked[0]))
    assert len(alone) == len(crowd[0]) == len(crowd[2])
    torch.testing.assert_close(torch.from_numpy(alone), torch.from_numpy(crowd[0]), atol=TOLERANCE, rtol=0)
    assert len(crowd[1]) != len(alone) or abs(crowd[1] - alone).max() > 0.01
