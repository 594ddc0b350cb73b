"""Files that requests name by URL: real TLS connections to hosts of the test, and a resolver that can lie."""

import asyncio
import base64
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpcore2 as httpcore
import httpx2 as httpx
import pytest
import trustme
from fake_triton import FakeTriton

from qwen_gateway.errors import GatewayError
from qwen_gateway.public_addresses import PublicNetwork, is_public
from qwen_gateway.remote_files import RemoteFiles
from qwen_gateway.settings import GatewaySettings
from tests.gateway_thread import GatewayThread
from tests.tls_host import TLSHost, answer

PUBLIC, PUBLIC_IPV6 = "93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"
HOST = "media.example.org"
CONTENT = b"RIFF and so on"


@dataclass
class Network(httpcore.AnyIOBackend):
    """Takes the test's host for every public address, and remembers what was resolved and dialled."""

    port: int
    addresses: dict[str, list[list[str]]] = field(default_factory=dict)  # of a host: what it resolves to, each time
    resolved: list[str] = field(default_factory=list)
    dialled: list[tuple[str, int]] = field(default_factory=list)
    dead: set[str] = field(default_factory=set)

    async def resolve(self, host: str, _: int) -> list[str]:
        self.resolved.append(host)
        answers = self.addresses.get(host, [[PUBLIC]])
        return answers.pop(0) if len(answers) > 1 else answers[0]

    async def connect_tcp(self, host: str, port: int, *rest: Any) -> httpcore.AsyncNetworkStream:  # type: ignore[override]
        self.dialled.append((host, port))
        if host in self.dead:
            raise httpcore.ConnectError("no route")
        return await super().connect_tcp("127.0.0.1", self.port)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def host(authority: trustme.CA) -> Iterator[TLSHost]:
    certificate = authority.issue_cert(HOST, "other.example.org", "files.example.net")
    with TLSHost(certificate, {"/a.wav": answer(CONTENT)}) as running:
        yield running


@pytest.fixture
def network(host: TLSHost) -> Network:
    return Network(host.port)


@pytest.fixture
def remote_files(network: Network, authority: trustme.CA) -> Callable[..., RemoteFiles]:
    def made(**settings: Any) -> RemoteFiles:
        trusted = ssl.create_default_context()
        authority.configure_trust(trusted)
        given = {"remote_hosts": (HOST, "*.example.net"), "max_file_bytes": 100_000, **settings}
        return RemoteFiles(GatewaySettings(**given), PublicNetwork(network.resolve, network), trusted)

    return made


Fetch = Callable[..., bytes]


@pytest.fixture
def fetch(remote_files: Callable[..., RemoteFiles]) -> Fetch:
    return lambda url, **settings: asyncio.run(remote_files(**settings).fetch(url, "audio_url"))


def refused(fetch: Fetch, url: str, code: str = "url_refused", **settings: Any) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        fetch(url, **settings)
    assert (caught.value.status, caught.value.code, caught.value.param) == (400, code, "audio_url")
    return caught.value


def test_a_file_of_an_allowed_host(fetch: Fetch, host: TLSHost, network: Network) -> None:
    assert fetch(f"https://{HOST}/a.wav?size=1#part") == CONTENT
    assert (network.resolved, network.dialled) == ([HOST], [(PUBLIC, 443)])
    (request,) = host.requests
    assert request.startswith(b"GET /a.wav?size=1 HTTP/1.1\r\n")
    assert b"\r\nhost: " + HOST.encode() + b"\r\n" in request.lower()
    assert b"\r\naccept-encoding: identity\r\n" in request.lower()
    assert host.names == [HOST]


@pytest.mark.parametrize("name", ["a.example.net", "a.b.EXAMPLE.net"])
def test_hosts_by_suffix(name: str, fetch: Fetch, network: Network) -> None:
    with pytest.raises(GatewayError, match="could not be fetched"):  # the certificate has other names
        fetch(f"https://{name}/a.wav")
    assert network.resolved == [name.lower()]


def test_nothing_is_fetched_by_default(fetch: Fetch, network: Network) -> None:
    error = refused(fetch, f"https://{HOST}/a.wav", "remote_files_off", remote_hosts=())
    assert "remote_hosts" in str(error)
    assert not network.resolved


URLS = {
    "http": f"http://{HOST}/a.wav",
    "file": "file:///etc/passwd",
    "ftp": f"ftp://{HOST}/a.wav",
    "another host": "https://other.example.org/a.wav",
    "a suffix itself": "https://example.net/a.wav",
    "a suffix without its dot": "https://evilexample.net/a.wav",
    "a host before it": f"https://{HOST}.evil.org/a.wav",
    "a port": f"https://{HOST}:22/a.wav",
    "no port": f"https://{HOST}:99999/a.wav",
    "a user": f"https://{HOST}@evil.org/a.wav",
    "a user of the host": f"https://user:password@{HOST}/a.wav",
    "an empty user": f"https://@{HOST}/a.wav",
    "a backslash": f"https://evil.org\\@{HOST}/a.wav",
    "a tab": f"https://{HOST}\t.evil.org/a.wav",
    "a line break": f"https://{HOST}/a.wav\r\nx: y",
    "a space": f"https://{HOST} /a.wav",
    "a null byte": f"https://{HOST}\0/a.wav",
    "an address": "https://127.0.0.1/a.wav",
    "a public address": f"https://{PUBLIC}/a.wav",
    "a decimal address": "https://2130706433/a.wav",
    "an octal address": "https://0177.0.0.1/a.wav",
    "a hexadecimal address": "https://0x7f000001/a.wav",
    "a part in hexadecimal": "https://127.0.0.0x1/a.wav",
    "a short address": "https://127.1/a.wav",
    "zero": "https://0/a.wav",
    "IPv6": "https://[::1]/a.wav",
    "mapped IPv4": "https://[::ffff:127.0.0.1]/a.wav",
    "a zone": "https://[fe80::1%25eth0]/a.wav",
    "half a bracket": "https://[::1/a.wav",
    "a full stop": f"https://{HOST}./a.wav",
    "wide letters": "https://\uff4dedia.example.org/a.wav",
    "a wide full stop": "https://media\u3002example.org/a.wav",
    "an escaped host": "https://media%2eexample.org/a.wav",
    "no host": "https:///a.wav",
    "no URL": "a.wav",
    "nothing": "",
    "long": f"https://{HOST}/" + "a" * 10_000,
}


@pytest.mark.parametrize("case", URLS)
def test_urls_that_are_refused_before_anything_is_resolved(case: str, fetch: Fetch, network: Network) -> None:
    refused(fetch, URLS[case], remote_hosts=(HOST, "*.example.net", "127.0.0.1", "localhost", PUBLIC))
    assert (network.resolved, network.dialled) == ([], [])


REDIRECTS = [
    name
    for name, url in URLS.items()
    if url.startswith(("https:", "http:", "file:")) and url.isascii() and url.isprintable() and name != "no host"
]  # values of a header; without a host it is a path


@pytest.mark.parametrize("case", REDIRECTS)
def test_redirects_pass_the_same_checks(case: str, fetch: Fetch, host: TLSHost, network: Network) -> None:
    host.answers["/a.wav"] = answer(b"", 302, location=URLS[case])
    refused(fetch, f"https://{HOST}/a.wav", remote_hosts=(HOST, "*.example.net", "127.0.0.1", "localhost", PUBLIC))
    assert network.resolved == [HOST]


NOT_PUBLIC = """
    0.0.0.0 0.1.2.3 10.0.0.1 100.64.0.1 100.127.255.255 127.0.0.1 127.255.0.1 169.254.169.254 172.16.0.1 172.31.255.255
    192.0.0.1 192.0.2.1 192.88.99.1 192.168.0.1 198.18.0.1 198.51.100.1 203.0.113.1 224.0.0.1 239.1.1.1 240.0.0.1
    255.255.255.255 :: ::1 ::7f00:1 ::ffff:127.0.0.1 ::ffff:8.8.8.8 64:ff9b::7f00:1 64:ff9b::808:808 64:ff9b:1::1 100::1
    2001::1 2001:0:4136:e378:8000:63bf:3fff:fdd2 2001:db8::1 2002:7f00:1::1 2002:808:808::1 3fff::1 5f00::1 fc00::1
    fd12:3456::1 fe80::1 fe80::1%eth0 fec0::1 ff02::1 ff0e::1 localhost 2130706433 127.1
    2606:2800:21f:cb07:6820:80da:af6b:8b2c%eth0
""".split()  # noqa: SIM905  # a line for each would be a page


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_what_resolves_to_no_public_address_is_not_dialled(address: str, fetch: Fetch, network: Network) -> None:
    network.addresses[HOST] = [[PUBLIC, address]]
    refused(fetch, f"https://{HOST}/a.wav")
    assert not network.dialled


@pytest.mark.parametrize("address", [PUBLIC, PUBLIC_IPV6, "8.8.8.8", "1.1.1.1", "2a00:1450:4001:80b::200e"])
def test_public_addresses(address: str) -> None:
    assert is_public(address)


def test_a_host_that_rebinds_is_resolved_once(fetch: Fetch, network: Network) -> None:
    network.addresses[HOST] = [[PUBLIC], ["127.0.0.1"]]
    assert fetch(f"https://{HOST}/a.wav") == CONTENT
    assert (len(network.resolved), network.dialled) == (1, [(PUBLIC, 443)])


def test_a_host_that_rebinds_between_redirects_is_refused(fetch: Fetch, host: TLSHost, network: Network) -> None:
    host.answers["/"] = answer(b"", 307, location="https://other.example.org/a.wav", connection="close")
    network.addresses["other.example.org"] = [["10.0.0.1"]]
    refused(fetch, f"https://{HOST}/", remote_hosts=(HOST, "other.example.org"))
    assert network.dialled == [(PUBLIC, 443)]


def test_the_next_address_of_a_host(fetch: Fetch, network: Network) -> None:
    network.addresses[HOST] = [[PUBLIC_IPV6, PUBLIC]]
    network.dead = {PUBLIC_IPV6}
    assert fetch(f"https://{HOST}/a.wav") == CONTENT
    assert network.dialled == [(PUBLIC_IPV6, 443), (PUBLIC, 443)]
    network.dead = {PUBLIC_IPV6, PUBLIC}
    refused(fetch, f"https://{HOST}/a.wav", "url_failed")


def test_ports_that_are_allowed(fetch: Fetch, host: TLSHost, network: Network) -> None:
    assert fetch(f"https://{HOST}:8443/a.wav", remote_ports=(8443,)) == CONTENT
    assert network.dialled == [(PUBLIC, 8443)]
    assert b"host: media.example.org:8443\r\n" in host.requests[0].lower()
    refused(fetch, f"https://{HOST}/a.wav", remote_ports=(8443,))


def test_redirects_are_followed_three_times(fetch: Fetch, host: TLSHost) -> None:
    for number in range(5):
        host.answers[f"/{number}"] = answer(b"", 301 + number % 3, location=f"{number + 1}")
    host.answers["/3"] = answer(CONTENT)
    assert fetch(f"https://{HOST}/0") == CONTENT
    host.answers["/3"] = answer(b"", 308, location="/4")
    refused(fetch, f"https://{HOST}/0")
    assert host.requests[-1].startswith(b"GET /3 ")
    host.answers["/0"] = answer(b"", 302)
    refused(fetch, f"https://{HOST}/0")


def test_sizes(fetch: Fetch, host: TLSHost) -> None:
    host.answers["/a.wav"] = answer(bytes(100_000))
    assert fetch(f"https://{HOST}/a.wav") == bytes(100_000)
    long = answer(bytes(100_001))
    endless = [b"HTTP/1.1 200 OK\r\n\r\n", *[bytes(10_000)] * 1000]
    chunked = [
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
        *[b"2710\r\n" + bytes(10_000) + b"\r\n"] * 1000,
    ]
    for parts in (long, endless, chunked):
        host.answers["/a.wav"] = parts
        with pytest.raises(GatewayError) as caught:
            fetch(f"https://{HOST}/a.wav")
        assert (caught.value.status, caught.value.code, caught.value.param) == (413, "too_large", "audio_url")


def test_answers_that_are_no_file(fetch: Fetch, host: TLSHost) -> None:
    for parts in (
        answer(b"no", 404),
        answer(CONTENT, 206),
        answer(CONTENT, 200, **{"content-encoding": "gzip"}),
        [b"SSH-2.0-OpenSSH\r\n"],
        [b"HTTP/1.1 200 OK\r\ncontent-length: " + b"9" * 5000 + b"\r\n\r\n"],
        [b"HTTP/1.1 200 OK\r\nx: " + b"y" * 200_000],
        [b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort"],
        [],
    ):
        host.answers["/a.wav"] = parts
        refused(fetch, f"https://{HOST}/a.wav", "url_failed")


@pytest.mark.parametrize("begun", [[], [b"HTTP/1.1 "], [b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nx"]])
def test_a_host_that_says_no_more(begun: list[bytes], fetch: Fetch, host: TLSHost) -> None:
    host.answers["/a.wav"] = [*begun, None]
    begun_s = time.monotonic()
    refused(fetch, f"https://{HOST}/a.wav", "url_timeout", remote_timeout_s=0.3)
    assert time.monotonic() - begun_s < 30  # and not the minutes that a client waits by default


def test_certificates_of_others(network: Network, remote_files: Callable[..., RemoteFiles], host: TLSHost) -> None:
    trusting_others = RemoteFiles(GatewaySettings(remote_hosts=(HOST,)), PublicNetwork(network.resolve, network))
    with pytest.raises(GatewayError, match="could not be fetched"):
        asyncio.run(trusting_others.fetch(f"https://{HOST}/a.wav", "audio_url"))
    with pytest.raises(GatewayError, match="could not be fetched"):
        asyncio.run(remote_files().fetch("https://a.example.net/a.wav", "audio_url"))
    assert not host.requests


def test_proxies_of_the_environment_are_not_used(fetch: Fetch, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert fetch(f"https://{HOST}/a.wav") == CONTENT


def test_a_fetch_that_is_cancelled_closes_its_connection(
    remote_files: Callable[..., RemoteFiles], host: TLSHost
) -> None:
    host.answers["/a.wav"] = [b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nx", None]

    async def cancel() -> None:
        task = asyncio.ensure_future(remote_files().fetch(f"https://{HOST}/a.wav", "audio_url"))
        await asyncio.to_thread(host.asked.wait, 30)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel())
    assert host.left.wait(30)


def test_the_files_of_one_request(remote_files: Callable[..., RemoteFiles], host: TLSHost) -> None:
    """Each is fetched once; together they are bounded, by number and by size."""

    def fetched(*names: str, **settings: Any) -> dict[str, bytes]:
        urls = [f"https://{HOST}/{name}" for name in names]
        return asyncio.run(remote_files(**settings).fetch_all(urls, "images"))

    host.answers |= {f"/{number}": answer(bytes(1000)) for number in range(20)}
    assert list(fetched("0", "1", "0").values()) == [bytes(1000)] * 2
    assert len(host.requests) == 2
    with pytest.raises(GatewayError, match="more than 16 files"):
        fetched(*map(str, range(17)))
    assert len(host.requests) == 2
    with pytest.raises(GatewayError) as caught:
        fetched("0", "1", "2", "3", max_body_bytes=2500)
    assert (caught.value.status, len(host.requests)) == (413, 5)


BODIES: dict[str, tuple[str, dict[str, Any]]] = {
    "audio_url": ("/api/v1/asr/transcribe", {}),
    "image_url": ("/api/v1/image/edit", {"prompt": "blue"}),
}
PARTS = [{"type": "image_url", "image_url": {"url": f"https://{HOST}/a.wav"}}, {"type": "text", "text": "What is it?"}]
OPENAI: dict[str, tuple[str, dict[str, Any], str]] = {
    "chat": ("/v1/chat/completions", {"messages": [{"role": "user", "content": PARTS}]}, "qwen3_chat"),
    "edits": ("/v1/images/edits", {"prompt": "x", "images": [{"image_url": f"https://{HOST}/a.wav"}]}, "qwen_image"),
}


@pytest.mark.parametrize("param", BODIES)
def test_our_own_api_fetches(
    param: str, triton: FakeTriton, remote_files: Callable[..., RemoteFiles], host: TLSHost, http: httpx.Client
) -> None:
    path, body = BODIES[param]
    body = {**body, param: f"https://{HOST}/a.wav"}
    assert http.post(path, json=body).json()["error"]["code"] == "remote_files_off"
    with GatewayThread(triton=(triton.address,)) as gateway, httpx.Client(base_url=gateway.url) as allowed:
        gateway.app.state.remote_files = remote_files()
        answered = allowed.post(path, json=body)
        assert answered.status_code == 200, answered.text
        assert CONTENT in str(triton.received[0].inputs).encode()
        both = allowed.post(path, json={**body, "audio_data" if param == "audio_url" else "image_data": "eA=="})
        assert both.json()["error"]["param"] == param
        bad = allowed.post(path, json={**body, param: "https://169.254.169.254/latest"})
        assert (bad.status_code, bad.json()["error"]["param"]) == (400, param)
    assert len(host.requests) == 1


@pytest.mark.parametrize("case", OPENAI)
def test_openai_s_api_fetches(
    case: str, triton: FakeTriton, remote_files: Callable[..., RemoteFiles], http: httpx.Client
) -> None:
    path, body, model = OPENAI[case]
    refused = http.post(path, json=body)
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "remote_files_off")
    with GatewayThread(triton=(triton.address,)) as gateway, httpx.Client(base_url=gateway.url) as allowed:
        gateway.app.state.remote_files = remote_files()
        answered = allowed.post(path, json=body)
        assert answered.status_code == 200, answered.text
    (received,) = triton.received
    assert received.model in (model, "qwen3_vl")
    told = str(received.inputs)
    assert CONTENT.decode() in told or base64.b64encode(CONTENT).decode() in told
