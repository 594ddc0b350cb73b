"""200 clips of 0.3 to 30 seconds, alone and in random crowds: the tokens that transformers' generate writes."""

import random

import pytest

from qwen_engine.asr.batch import AsrBatch
from qwen_engine.asr.checkpoint import AsrCheckpoint
from qwen_engine.asr.settings import AsrSettings
from tests.parity.test_asr_engine import budget, ids, write_down
from tests.parity.upstream_asr import CHECKPOINT, UpstreamAsr, spoken_clips

NUM_CLIPS = 200
LATEST_ARRIVAL = 300
SETTINGS = AsrSettings(checkpoint=str(CHECKPOINT), max_positions=1024)


@pytest.fixture(scope="module")
def batch() -> AsrBatch:
    return AsrBatch(AsrCheckpoint(SETTINGS), SETTINGS)


@pytest.fixture(scope="module")
def clips():
    return spoken_clips(NUM_CLIPS, seed=11)


@pytest.fixture(scope="module")
def official(clips) -> list[list[int]]:
    upstream = UpstreamAsr()
    return [upstream.answer(clip, budget(clip)) for clip in clips]


def test_alone(batch, clips, official):
    assert [ids(write_down(batch, [{"audio": clip}], [0]))[0] for clip in clips] == official


@pytest.mark.parametrize("seed", range(6))
def test_in_crowds(batch, clips, official, seed):
    """All 200 at random steps, in groups of random sizes that share the rows."""
    rng = random.Random(seed)
    arrivals = [rng.randint(0, LATEST_ARRIVAL) for _ in clips]
    pieces = [{"audio": clip, "group": rng.randrange(1 + 20 * seed)} for clip in clips]
    assert ids(write_down(batch, pieces, arrivals)) == official
