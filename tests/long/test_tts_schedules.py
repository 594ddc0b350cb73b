"""Two hundred crowds that come and go: nobody's speech changes."""

import pytest
import torch

from qwen_engine.tts.engine import TtsEngine
from tests.parity.conftest import official  # noqa: F401 the fixture
from tests.parity.schedules import check_schedule, make_engine


@pytest.fixture(scope="module")
def engine(tmp_path_factory) -> TtsEngine:
    torch.set_num_threads(1)
    return make_engine(max_batch=12, voice_folder=str(tmp_path_factory.mktemp("voices")))


@pytest.mark.parametrize("seed", range(200))
def test_schedule(engine, official, seed):  # noqa: F811
    check_schedule(engine, official, seed)
