"""The scripted server and a client of it, for the client's tests."""

from collections.abc import Iterator

import pytest
from client_scripts import SCRIPTS
from fake_triton import FakeTriton

from qwen_client import Client


@pytest.fixture
def triton() -> Iterator[FakeTriton]:
    with FakeTriton(dict(SCRIPTS)) as server:
        yield server


@pytest.fixture
def client(triton: FakeTriton) -> Iterator[Client]:
    with Client(triton.address) as connected:
        yield connected
