"""The scripted server, a client of it, a gateway in front of it and a folder to run the CLI in."""

from collections.abc import Iterator
from pathlib import Path

import httpx2 as httpx
import pytest
from client_scripts import SCRIPTS
from fake_triton import FakeTriton
from openai import OpenAI

from qwen_client import Client
from tests.gateway_thread import GatewayThread


@pytest.fixture
def triton() -> Iterator[FakeTriton]:
    with FakeTriton(dict(SCRIPTS)) as server:
        yield server


@pytest.fixture
def client(triton: FakeTriton) -> Iterator[Client]:
    with Client(triton.address) as connected:
        yield connected


@pytest.fixture
def gateway(triton: FakeTriton) -> Iterator[GatewayThread]:
    with GatewayThread(triton=(triton.address,)) as running:
        yield running


@pytest.fixture
def http(gateway: GatewayThread) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=gateway.url, timeout=30, trust_env=False) as client:
        yield client


@pytest.fixture
def openai(gateway: GatewayThread) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{gateway.url}/v1", api_key="none", max_retries=0) as client:
        yield client


@pytest.fixture
def command_line(triton: FakeTriton, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The CLI finds the scripted server and runs in an empty folder."""
    monkeypatch.setenv("QWEN_URL", triton.address)
    monkeypatch.chdir(tmp_path)
