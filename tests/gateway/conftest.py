"""The scripted server, and a gateway in front of it, over real sockets."""

from collections.abc import Iterator

import httpx2 as httpx
import pytest
from client_scripts import SCRIPTS
from fake_triton import FakeTriton
from openai import OpenAI

from tests.gateway_thread import GatewayThread


@pytest.fixture
def triton() -> Iterator[FakeTriton]:
    with FakeTriton(dict(SCRIPTS)) as server:
        yield server


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
