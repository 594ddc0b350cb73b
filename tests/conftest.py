"""One real Triton for all tests that need it."""

import gc
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from qwen_client import Client
from qwen_server.address import free_port
from qwen_server.gateway_process import GatewayProcess
from qwen_server.profiles import load_profile
from qwen_server.triton_process import Address, TritonProcess

HOME = Path(__file__).resolve().parents[1]


FOLDERS = ("XDG_DATA_HOME", "XDG_STATE_HOME")


def pytest_configure() -> None:
    """Servers of the tests keep their files apart from the user's; property tests try the same examples each time."""
    settings.register_profile("repeatable", derandomize=True, deadline=None)
    settings.load_profile("repeatable")
    os.environ |= {name: tempfile.mkdtemp(prefix="qwen-test-") for name in FOLDERS}


def pytest_collection_finish() -> None:
    """What is imported by now lives until the end: the garbage collector need not look at it again and again."""
    gc.collect()
    gc.freeze()


def pytest_unconfigure() -> None:
    for name in FOLDERS:
        shutil.rmtree(os.environ.pop(name))


@pytest.fixture(scope="session")
def audio() -> Path:
    """Spoken sentences outside the training set, each NAME.wav with its NAME.txt."""
    return HOME / "demo" / "audio"


@pytest.fixture(scope="session")
def server() -> Iterator[TritonProcess]:
    """The demo profile on free ports; alive for the whole session."""
    with TritonProcess(load_profile("demo"), Address.free()) as process:
        process.wait_ready()
        yield process


@pytest.fixture(scope="session")
def gateway(server: TritonProcess) -> Iterator[GatewayProcess]:
    """In front of that server, as `qwen serve` starts it."""
    with GatewayProcess.beside(server, free_port()) as process:
        process.wait_ready()
        yield process


@pytest.fixture
def client(server: TritonProcess) -> Iterator[Client]:
    with Client(server.address.grpc) as connected:
        yield connected
