"""Flags behind `qwen serve --` reach the real tritonserver."""

import json
import subprocess
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import grpc
import pytest
from tritonclient.grpc import service_pb2, service_pb2_grpc

from qwen_server.errors import ServerError
from qwen_server.profiles import load_profile
from qwen_server.triton_process import Address, TritonProcess

CHART = Path(__file__).resolve().parents[2] / "demo" / "charts" / "plan.json"


def certificate(folder: Path) -> tuple[Path, Path]:
    """A key and its own certificate for 127.0.0.1."""
    key, certificate = folder / "server.key", folder / "server.crt"
    request = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    names = ["-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*request, *names, "-keyout", key, "-out", certificate], capture_output=True, check=True)
    return key, certificate


@pytest.fixture(scope="module")
def charts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    profile = tmp_path_factory.mktemp("profile") / "charts.toml"
    profile.write_text("[chart_image]\n")
    return profile


@pytest.fixture(scope="module")
def served(charts: Path) -> Iterator[tuple[TritonProcess, Path]]:
    key, root = certificate(charts.parent)
    tls = ["--grpc-use-ssl=true", "--grpc-server-cert", str(root), f"--grpc-server-key={key}"]
    flags = ["--metrics-config", "summary_latencies=true", *tls]
    with TritonProcess(load_profile(str(charts)), Address.free(), flags=flags) as server:
        server.wait_ready()
        yield server, root


def test_grpc_is_encrypted(served: tuple[TritonProcess, Path]) -> None:
    server, root = served
    credentials = grpc.ssl_channel_credentials(root.read_bytes())
    with grpc.secure_channel(server.address.grpc, credentials) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        assert stub.ModelReady(service_pb2.ModelReadyRequest(name="chart_image"), timeout=60).ready


def test_metrics_have_summaries(served: tuple[TritonProcess, Path]) -> None:
    server, _ = served
    body = json.dumps({"CHART": CHART.read_text(), "OPTIONS": '{"output_encoding": "base64"}'}).encode()
    status, answer = server.address.ask("/v2/models/chart_image/generate", body, {"Content-Type": "application/json"})
    assert status == 200, answer
    connection = HTTPConnection(server.address.host, server.address.metrics_port, timeout=60)
    connection.request("GET", "/metrics")
    assert b"nv_inference_request_summary_us" in connection.getresponse().read()
    connection.close()


def test_chains_and_tls_are_not_served_together(tmp_path: Path) -> None:
    profile = tmp_path / "chains.toml"
    profile.write_text("[chart_image]\n[chains]\n")
    server = TritonProcess(load_profile(str(profile)), Address.free(), flags=["--grpc-use-ssl=1"])
    with pytest.raises(ServerError, match="chains call models over gRPC without TLS"):
        server.start()
