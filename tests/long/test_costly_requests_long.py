"""The most that each option allows, as in tests/e2e/test_costly_requests.py: those requests that take long."""

import pytest

from tests.costly_requests import COSTLY
from tests.costly_runs import assert_bounded


@pytest.mark.parametrize("costly", [costly for costly in COSTLY if costly.slow], ids=str)
def test_a_costly_request_is_bounded_and_keeps_nobody_waiting(server, costly):
    assert_bounded(server, costly)
