"""A hundred crowds that come and go, on both layouts of edit checkpoints."""

import pytest

from tests.image_checkpoints import make_edit_checkpoint
from tests.parity.image_cases import REQUESTS, make_engine
from tests.parity.image_schedules import alone, check_schedule

NUM_SCHEDULES = 100


@pytest.mark.parametrize("layout", list(REQUESTS))
def test_a_crowd_that_comes_and_goes_changes_no_picture(layout, tmp_path):
    engine = make_engine(make_edit_checkpoint(tmp_path, layout, zero_cond_t=layout == "edit-plus"))
    expected = alone(engine, REQUESTS[layout])
    for seed in range(NUM_SCHEDULES):
        check_schedule(engine, REQUESTS[layout], expected, seed)
