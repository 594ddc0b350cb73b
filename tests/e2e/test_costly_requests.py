"""The most that each option allows, on a real server: it ends, in bounded time and memory, and others go on meanwhile.

Those that take long are in tests/long/test_costly_requests_long.py.
"""

import pytest

from tests.costly_requests import COSTLY
from tests.costly_runs import assert_bounded


@pytest.mark.parametrize("costly", [costly for costly in COSTLY if not costly.slow], ids=str)
def test_a_costly_request_is_bounded_and_keeps_nobody_waiting(server, costly):
    assert_bounded(server, costly)
