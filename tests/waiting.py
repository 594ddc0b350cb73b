"""Waiting for what happens in other processes, which tell nobody."""

import time
from collections.abc import Callable

TIMEOUT_S = 60.0


def until(condition: Callable[[], bool], timeout_s: float = TIMEOUT_S) -> None:
    """Return once `condition` holds; fail where it does not within the time, a minute by default."""
    end_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end_s, "it did not come about"
        time.sleep(0.01)
