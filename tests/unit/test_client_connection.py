"""Where the SDK looks for a server, how it trusts it, and what it sends with every call."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
import trustme
from client_scripts import SCRIPTS
from fake_triton import FakeTriton

from qwen_client import AsyncClient, Client, InvalidRequest, Tls, Unavailable
from qwen_client.connection import Address, read_address

PLAIN = {
    "gpu:8001": "gpu:8001",
    " 127.0.0.1:8001 ": "127.0.0.1:8001",
    "grpc://gpu.example.org:9000": "gpu.example.org:9000",
    "GRPC://gpu:9000/": "gpu:9000",
    "[::1]:8001": "[::1]:8001",
    "unix:/run/triton.sock": "unix:/run/triton.sock",
    "dns:///gpu:8001": "dns:///gpu:8001",
    "ipv4:10.0.0.7:8001": "ipv4:10.0.0.7:8001",
}
SECURE = {"grpcs://gpu": "gpu:443", "grpcs://gpu:8443": "gpu:8443", "grpcs://[2001:db8::1]:1": "[2001:db8::1]:1"}
WRONG = {
    "http://127.0.0.1:8000": "the SDK speaks gRPC, whose port is 8001; write 127.0.0.1:8001, or grpcs://",
    "https://api.example.org/v1": "the SDK speaks gRPC",
    "gpu": "it has no port; write gpu:8001",
    "10.0.0.7": "it has no port; write 10.0.0.7:8001",
    "::1": r"write an address of IPv6 as \[::1\]:8001",
    "gpu:8001/v2": "write HOST:PORT",
    "gpu:port": "write HOST:PORT",
    "grpc://": "write HOST:PORT",
    "grpc://gpu": "it has no port; write gpu:8001",
}


@pytest.mark.parametrize(("text", "target"), PLAIN.items())
def test_addresses(text: str, target: str) -> None:
    assert read_address(text) == Address(target)
    assert read_address(text, tls=True) == Address(target, Tls())


@pytest.mark.parametrize(("text", "target"), SECURE.items())
def test_addresses_with_tls(text: str, target: str) -> None:
    own = Tls(server_name="qwen")
    assert read_address(text) == Address(target, Tls())
    assert read_address(text, tls=own) == Address(target, own)
    assert read_address(text, tls=False) == Address(target) if ":" in text.removeprefix("grpcs://") else True


@pytest.mark.parametrize(("text", "message"), WRONG.items())
def test_addresses_that_lead_nowhere_are_refused_at_once(text: str, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        Client(text)


def test_the_address_of_the_environment(monkeypatch: pytest.MonkeyPatch, triton: FakeTriton) -> None:
    monkeypatch.setenv("QWEN_URL", triton.address)
    with Client() as client:
        assert client.health().live
    assert read_address("gpu:1") == Address("gpu:1")
    monkeypatch.delenv("QWEN_URL")
    assert read_address(None) == Address("127.0.0.1:8001")


WRONG_OPTIONS = [
    ({"timeout_s": 0}, "timeout_s is 0: give seconds above 0"),
    ({"timeout_s": float("nan")}, "timeout_s is nan"),
    ({"timeout_s": "60"}, "timeout_s is '60'"),
    ({"retries": -1}, "retries is -1: give 0 to 10"),
    ({"retries": 1.5}, "retries is 1.5"),
    ({"metadata": {"Authorization": "x"}}, "metadata has the key 'Authorization'"),
    ({"metadata": {"grpc-timeout": "1"}}, "metadata has the key 'grpc-timeout'"),
    ({"metadata": {"key-bin": "1"}}, "metadata has the key 'key-bin'"),
    ({"metadata": {"qwen-tenant": "a"}}, "give the tenant as tenant="),
    ({"metadata": {"key": "a\nb"}}, r"metadata\['key'\] is not a text of printable ASCII"),
    ({"metadata": {"key": 5}}, r"metadata\['key'\] is not a text"),
    ({"tenant": 5}, "tenant is 5"),
]


@pytest.mark.parametrize(("options", "message"), WRONG_OPTIONS)
def test_wrong_options_are_refused_at_once(options: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        Client("gpu:8001", **options)  # type: ignore[arg-type]
    with Client("gpu:8001") as client, pytest.raises(InvalidRequest, match=message):
        client.with_options(**options)  # type: ignore[arg-type]


def test_metadata_goes_with_every_call_and_is_shown_nowhere(triton: FakeTriton) -> None:
    async def ask() -> None:
        async with AsyncClient(triton.address, metadata={"authorization": "Bearer secret"}) as client:
            await client.asr.transcribe(b"x")
            await client.tts.synthesize("Hello.")

    with Client(triton.address, metadata={"authorization": "Bearer secret"}, tenant="anna") as client:
        client.asr.transcribe(b"x")
        client.tts.synthesize("Hello.")
        assert "secret" not in repr(client)
    assert [one.headers["qwen-tenant"] for one in triton.received] == ["anna"] * 2
    asyncio.run(ask())
    assert [one.headers["authorization"] for one in triton.received] == ["Bearer secret"] * 4


def test_options_of_single_calls(triton: FakeTriton) -> None:
    with Client(triton.address, timeout_s=1000, tenant="anna") as client:
        client.with_options(timeout_s=100, metadata={"x": "1"}).asr.transcribe(b"x")
        client.asr.transcribe(b"x")
    first, second = triton.received
    assert (90 < first.deadline_s < 101, 900 < second.deadline_s < 1010) == (True, True)
    assert (first.headers["qwen-tenant"], first.headers["x"]) == ("anna", "1")
    assert "x" not in second.headers


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def files(authority: trustme.CA, tmp_path: Path) -> dict[str, Path]:
    own = authority.issue_cert("client.example.org")
    files = {name: tmp_path / f"{name}.pem" for name in ("ca_file", "cert_file", "key_file")}
    authority.cert_pem.write_to_path(files["ca_file"])
    files["cert_file"].write_bytes(b"".join(one.bytes() for one in own.cert_chain_pems))
    own.private_key_pem.write_to_path(files["key_file"])
    return files


@pytest.fixture
def secure_triton(authority: trustme.CA) -> Iterator[FakeTriton]:
    """It wants its clients' certificates, too."""
    own = authority.issue_cert("triton.internal")
    pair = (own.private_key_pem.bytes(), b"".join(one.bytes() for one in own.cert_chain_pems))
    credentials = grpc.ssl_server_credentials([pair], authority.cert_pem.bytes(), require_client_auth=True)
    with FakeTriton(dict(SCRIPTS), credentials=credentials) as server:
        yield server


def test_tls(secure_triton: FakeTriton, files: dict[str, Path]) -> None:
    tls = Tls(**files, server_name="triton.internal")

    async def ask() -> str:
        async with AsyncClient(f"grpcs://{secure_triton.address}", tls=tls) as client:
            return (await client.asr.transcribe(b"123")).text

    with Client(secure_triton.address, tls=tls) as client:
        assert client.asr.transcribe(b"123").text == asyncio.run(ask()) == "3 bytes"
        assert client.tts.synthesize("Hello.").duration_s > 0


def test_a_server_that_is_not_trusted_is_not_asked(secure_triton: FakeTriton, files: dict[str, Path]) -> None:
    untrusted = [None, Tls(server_name="triton.internal"), Tls(ca_file=files["ca_file"]),
                 Tls(ca_file=files["ca_file"], server_name="triton.internal")]  # fmt: skip
    for tls in untrusted:
        with Client(secure_triton.address, tls=tls, retries=0) as client, pytest.raises(Unavailable):
            client.asr.transcribe(b"123")
    assert secure_triton.received == []


def test_files_that_cannot_be_read(files: dict[str, Path]) -> None:
    with pytest.raises(InvalidRequest, match=r"tls\.ca_file cannot be read"):
        Client("gpu:1", tls=Tls(ca_file="missing.pem"))
    with pytest.raises(InvalidRequest, match=r"needs both tls\.cert_file and tls\.key_file"):
        Client("gpu:1", tls=Tls(cert_file=files["cert_file"]))


def test_a_closed_client_says_so(triton: FakeTriton) -> None:
    async def ask() -> list[str]:
        client = AsyncClient(triton.address)
        await client.close()
        told = []
        for call in (lambda: client.asr.transcribe(b"x"), lambda: client.tts.synthesize("Hello."), client.health):
            with pytest.raises(InvalidRequest) as caught:
                await call()
            told.append(caught.value.message)
        return told

    client = Client(triton.address)
    client.close()
    for call in (lambda: client.asr.transcribe(b"x"), lambda: client.tts.stream("Hello."), client.health):
        with pytest.raises(InvalidRequest, match="this client is closed"):
            call()
    client.close()
    assert asyncio.run(ask()) == ["this client is closed"] * 3


def test_an_async_client_belongs_to_one_loop(triton: FakeTriton) -> None:
    with pytest.raises(InvalidRequest, match="make it inside a coroutine"):
        AsyncClient(triton.address)

    async def make() -> AsyncClient:
        return AsyncClient(triton.address)

    async def ask(client: AsyncClient) -> None:
        for call in (lambda: client.asr.transcribe(b"x"), lambda: client.tts.synthesize("Hello."), client.health):
            with pytest.raises(InvalidRequest, match="belongs to another event loop"):
                await call()

    loop = asyncio.new_event_loop()
    client = loop.run_until_complete(make())
    asyncio.run(ask(client))
    loop.run_until_complete(client.close())
    loop.close()
