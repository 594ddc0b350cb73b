"""examples/nginx.conf in front of the gateway, by the real nginx: TLS, streams that are not held back, WebSockets."""

import json
import os
import re
import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2 as httpx
import pytest
import trustme
from websockets.sync.client import connect

from qwen_server.address import Address
from tests.gateway_thread import GatewayThread
from tests.http_triton import Asked, HTTPTriton
from tests.waiting import until

HOME = Path(__file__).resolve().parents[2]
NGINX = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
HOST = "qwen.example.org"
STREAM = "/v2/models/qwen3_tts/generate_stream"
SSE = {"content-type": "text/event-stream"}
MAIN = """
{user}daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{}}
http {{
    access_log off;
    {temporary}
    include {folder}/qwen.conf;
}}
"""
TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


@dataclass(frozen=True)
class Proxy:
    """nginx, the gateway behind it and what stands for Triton behind that."""

    port: int
    tls: ssl.SSLContext
    triton: HTTPTriton
    gateway: GatewayThread

    def client(self) -> httpx.Client:
        """Of the host, which is on this machine."""
        url = f"https://localhost:{self.port}"
        return httpx.Client(base_url=url, verify=self.tls, headers={"host": HOST}, timeout=60, trust_env=False)


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    assert NGINX, "scripts/apt.sh nginx installs it"
    folder = tmp_path_factory.mktemp("nginx")
    authority = trustme.CA()
    certificate = authority.issue_cert(HOST, "localhost")
    certificate.private_key_pem.write_to_path(str(folder / "qwen.key"))
    certificate.cert_chain_pems[0].write_to_path(str(folder / "qwen.crt"))
    trusted = ssl.create_default_context()
    authority.configure_trust(trusted)
    port = Address.free().http_port
    with (
        HTTPTriton() as triton,
        GatewayThread(triton=("127.0.0.1:9",), triton_http=(triton.address,)) as gateway,
        running(folder, port, gateway.port),
    ):
        yield Proxy(port, trusted, triton, gateway)


def site(folder: Path, port: int, gateway_port: int) -> str:
    """The example with the ports and certificates of the test; all else is as it stands there."""
    text = (HOME / "examples" / "nginx.conf").read_text()
    for pattern, put in (
        (r"listen 443 ssl", f"listen 127.0.0.1:{port} ssl"),
        (r"127\.0\.0\.1:8080", f"127.0.0.1:{gateway_port}"),
        (r"/etc/nginx/tls", str(folder)),
    ):
        text, count = re.subn(pattern, put, text)
        assert count, pattern
    return text


class running:
    """nginx, until the block ends."""

    def __init__(self, folder: Path, port: int, gateway_port: int) -> None:
        (folder / "qwen.conf").write_text(site(folder, port, gateway_port))
        temporary = "\n".join(f"{name}_temp_path {folder}/{name};" for name in TEMPORARY)
        user = "user root;\n" if os.geteuid() == 0 else ""
        (folder / "nginx.conf").write_text(MAIN.format(user=user, folder=folder, temporary=temporary))
        self._folder = folder
        self._command = [str(NGINX), "-p", str(folder), "-c", str(folder / "nginx.conf")]

    def __enter__(self) -> None:
        subprocess.run([*self._command, "-t"], check=True, capture_output=True)
        self._process = subprocess.Popen(self._command, stderr=subprocess.DEVNULL)
        until(lambda: bool((self._folder / "nginx.pid").read_text()))  # the check has left it empty

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(30)


def test_requests_and_errors(proxy: Proxy) -> None:
    with proxy.client() as http:
        assert http.get("/health/live").json() == {"status": "ok"}
        missing = http.get("/nowhere")
        assert (missing.status_code, missing.json()["error"]["type"]) == (404, "not_found_error")
        assert missing.headers["x-request-id"]


def test_the_first_part_of_a_stream_comes_before_the_second_is_made(proxy: Proxy) -> None:
    has_come = threading.Event()

    def script(_: Asked) -> tuple[int, dict[str, str], Iterator[bytes]]:
        def parts() -> Iterator[bytes]:
            yield b"data: 1\n\n"
            assert has_come.wait(30)
            yield b"data: 2\n\n"

        return 200, SSE, parts()

    proxy.triton.scripts["generate_stream"] = script
    with proxy.client() as http, http.stream("POST", STREAM, json={"TEXT": "hello"}) as answer:
        parts = answer.iter_bytes()
        assert next(parts) == b"data: 1\n\n"
        has_come.set()
        assert b"".join(parts) == b"data: 2\n\n"


def test_who_leaves_nginx_leaves_the_gateway(proxy: Proxy) -> None:
    cancelled = threading.Event()

    def script(asked: Asked) -> tuple[int, dict[str, str], Iterator[bytes]]:
        if b"cancel" in asked.body:
            cancelled.set()
            return 200, SSE, iter([])

        def parts() -> Iterator[bytes]:
            yield b"data: 1\n\n"
            cancelled.wait(30)

        return 200, SSE, parts()

    proxy.triton.scripts["generate_stream"] = script
    with proxy.client() as http, http.stream("POST", STREAM, json={"TEXT": "hello"}) as answer:
        next(answer.iter_bytes())
    assert cancelled.wait(30)


def test_a_tenant_is_not_taken_from_callers(proxy: Proxy) -> None:
    proxy.triton.asked.clear()
    proxy.triton.scripts.clear()
    with proxy.client() as http:
        http.post("/v2/models/qwen3_tts/generate", json={"TEXT": "x"}, headers={"qwen-tenant": "anna"})
    assert "qwen-tenant" not in json.dumps(proxy.triton.asked[0].json) + str(proxy.triton.asked[0].headers)


def test_large_bodies_pass_up_to_the_limit(proxy: Proxy) -> None:
    """Past nginx's own default of 1 MB, as far as the gateway's own limit for JSON."""
    with proxy.client() as http:
        passed = http.post("/v2/models/qwen3_tts/generate", json={"TEXT": "x" * 5_000_000})
        assert passed.status_code == 200
        refused = http.post("/v2/models/qwen3_tts/generate", json={"TEXT": "x" * 40_000_000})
        assert (refused.status_code, refused.json()["error"]["code"]) == (413, "too_large")


def test_websockets_are_upgraded(proxy: Proxy) -> None:
    with connect(f"wss://localhost:{proxy.port}/api/v1/captions", ssl=proxy.tls) as socket:
        socket.send("no JSON")
        assert json.loads(socket.recv(30))["type"] == "error"
