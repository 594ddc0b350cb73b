"""The scripted server, a client of it and a folder to run the CLI in, for the client's tests."""

from collections.abc import Iterator
from pathlib import Path

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


@pytest.fixture
def command_line(triton: FakeTriton, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The CLI finds the scripted server and runs in an empty folder."""
    monkeypatch.setenv("QWEN_URL", triton.address)
    monkeypatch.chdir(tmp_path)
