"""Proxies of the environment come before servers elsewhere, and before none on this machine."""

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing

import pytest
from fake_triton import FakeTriton

from qwen_client import AsyncClient, Client, Unavailable
from qwen_client.calls import GrpcCalls
from qwen_client.channels import channel_options, is_local
from qwen_engine.chains.calls import Trace
from qwen_engine.chains.child_errors import child_error
from tests.proxies import DEAD_PROXIES

HERE = ["127.0.0.1:8001", "127.0.0.1", "127.4.5.6:8001", "localhost:8001", "LocalHost:8001", "localhost",
        "qwen.localhost:1", "[::1]:8001", "ipv4:127.0.0.1:8001", "ipv6:[::1]:8001", "dns:localhost:8001", "dns:///127.0.0.1:8001",
        "dns:/localhost:8001", "0.0.0.0:8001", "[::]:8001", "[::ffff:127.0.0.1]:8001", "unix:/run/triton",
        "unix:///run/triton", "unix-abstract:triton"]  # fmt: skip
ELSEWHERE = ["10.0.0.7:8001", "gpu.example.org:8001", "128.0.0.1:8001", "localhost.example.org:8001", "notlocalhost:1",
             "[2001:db8::1]:8001", "dns:///gpu:8001", "ipv4:10.0.0.7:8001", "unixserver.example.org:8001"]  # fmt: skip
NO_PROXY = ("grpc.enable_http_proxy", 0)


@pytest.mark.parametrize("address", HERE)
def test_this_machine_is_reached_directly(address):
    assert is_local(address)
    assert NO_PROXY in channel_options(address)


@pytest.mark.parametrize("address", ELSEWHERE)
def test_others_as_the_environment_says(address):
    assert not is_local(address)
    assert NO_PROXY not in channel_options(address)


@pytest.fixture
def dead_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, proxy in DEAD_PROXIES.items():
        monkeypatch.setenv(name, proxy)


@pytest.mark.usefixtures("dead_proxies")
def test_the_sdk_reaches_a_server_here(triton: FakeTriton) -> None:
    async def heard() -> str:
        async with AsyncClient(triton.address) as client:
            assert (await client.health()).live
            return (await client.asr.transcribe(b"123")).text

    with Client(triton.address) as client:
        assert client.health().live
        assert client.asr.transcribe(b"123").text == asyncio.run(heard()) == "3 bytes"


@pytest.mark.usefixtures("dead_proxies")
def test_chains_reach_their_own_server(triton: FakeTriton) -> None:
    async def heard() -> list[bytes]:
        calls = GrpcCalls(triton.address, child_error)
        inputs = {"AUDIO": b"123", "OPTIONS": b"{}"}
        async with aclosing(calls.stream("qwen3_asr", inputs, deadline_s=30, trace=Trace.read({}))) as responses:
            return [response["TEXT"] async for response in responses]

    assert asyncio.run(heard()) == [b"3 bytes"]


def test_a_server_elsewhere_is_reached_by_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is left without an answer: what counts is that it was asked."""
    for name in DEAD_PROXIES:
        monkeypatch.delenv(name, raising=False)
    with socket.create_server(("127.0.0.1", 0)) as proxy, ThreadPoolExecutor(1) as pool:
        proxy.settimeout(60)
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.getsockname()[1]}")
        with Client("gpu.invalid:8001", timeout_s=60) as client:
            answer = pool.submit(client.health)
            connection, _ = proxy.accept()
            with connection:
                assert connection.recv(4096).splitlines()[0] == b"CONNECT gpu.invalid:8001 HTTP/1.1"
            proxy.close()
            with pytest.raises(Unavailable):
                answer.result(60)
