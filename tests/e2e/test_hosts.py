"""Servers on other addresses than 127.0.0.1: of IPv6, and by name."""

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2 as httpx
import pytest

from qwen_client import AsyncClient, Client
from qwen_server.address import Address, free_port, numeric_host
from qwen_server.errors import ServerError
from tests.proxies import DEAD_PROXIES
from tests.workflow_examples import CHART, DRAWN

QWEN = Path(sys.prefix) / "bin" / "qwen"
PROFILE = "[chart_image]\n[chains]\n"
WAIT_S = 180
PNG = b"\x89PNG"
WORKFLOW = {"nodes": {"drawn": DRAWN}, "outputs": {"picture": "$drawn.IMAGE"}}


def has_ipv6() -> bool:
    try:
        return numeric_host("::1") == "::1"
    except ServerError:
        return False


@pytest.fixture(scope="module", params=["::1", "[::]", "localhost"])
def address(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Address]:
    """That of a `qwen serve` with this --host."""
    if ":" in request.param and not has_ipv6():
        pytest.skip("THIS MACHINE HAS NO IPv6 LOOPBACK: servers there are not tested")
    profile = tmp_path_factory.mktemp("hosts") / "charts.toml"
    profile.write_text(PROFILE)
    address = Address.free(numeric_host(request.param))
    ports = [f"--{name}-port={getattr(address, f'{name}_port')}" for name in ("http", "grpc", "metrics")]
    port = free_port(address.host)
    command = [QWEN, "serve", "--profile", profile, "--host", request.param, *ports, f"--port={port}"]
    with subprocess.Popen(command, env=os.environ | DEAD_PROXIES, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield from _served_at(address, port, process)
        finally:
            process.terminate()
        assert process.wait(WAIT_S) == 0


def _served_at(address: Address, port: int, process: "subprocess.Popen[str]") -> Iterator[Address]:
    told = next(line for line in process.stderr or () if line.startswith(("ready:", "error:")))
    gateway = address.http.rsplit(":", 1)[0] + f":{port}"
    assert told.endswith(f"at grpc {address.grpc}, {address.http}; REST and OpenAI's API at {gateway}\n")
    assert httpx.get(f"{gateway}/health/ready", trust_env=False).status_code == 200
    yield address


def test_the_sdk_chains_and_the_cli_reach_it(address: Address, tmp_path: Path) -> None:
    async def health() -> bool:
        async with AsyncClient(address.grpc) as client:
            return (await client.health()).ready

    with Client(address.grpc) as client:
        assert client.health().models["chart_image"]
        assert client.charts.draw(CHART).data.startswith(PNG)
        assert client.chains.run(WORKFLOW).outputs["picture"].startswith(PNG)
    assert asyncio.run(health())
    (tmp_path / "chart.json").write_text(
        '{"type": "bar", "categories": ["a"], "series": [{"name": "b", "values": [3]}]}'
    )
    command = [QWEN, "chart", tmp_path / "chart.json", "-o", tmp_path / "chart.png", "--url", address.grpc]
    subprocess.run(command, env=os.environ | DEAD_PROXIES, check=True, timeout=WAIT_S)
    assert (tmp_path / "chart.png").read_bytes().startswith(PNG)


def test_http_and_metrics_answer_there(address: Address) -> None:
    assert address.ask("/v2/health/ready")[0] == 200
    metrics = Address(address.host, http_port=address.metrics_port)
    assert b"nv_inference_count" in metrics.ask("/metrics")[1]


def test_it_listens_nowhere_else_unless_it_should(address: Address) -> None:
    other = "127.0.0.1" if ":" in address.host else "::1"
    if address.host != "::" and (":" not in other or has_ipv6()):
        for port in (address.http_port, address.grpc_port, address.metrics_port):
            with pytest.raises(ConnectionRefusedError), socket.create_connection((other, port), timeout=5):
                pass
