"""Where servers listen and are reached: numbers of IPv4 and IPv6, and names."""

import socket

import pytest

from qwen_client import Client, InvalidRequest
from qwen_server.address import Address, numeric_host, port_is_taken
from qwen_server.errors import ServerError


@pytest.mark.parametrize(
    ("host", "grpc", "http", "listeners"),
    [
        ("127.0.0.1", "127.0.0.1:8001", "http://127.0.0.1:8000", ("127.0.0.1", "127.0.0.1")),
        ("0.0.0.0", "127.0.0.1:8001", "http://127.0.0.1:8000", ("0.0.0.0", "0.0.0.0")),
        ("::1", "[::1]:8001", "http://[::1]:8000", ("ipv6:::1", "[::1]")),
        ("::", "[::1]:8001", "http://[::1]:8000", ("ipv6:::", "[::]")),
    ],
)
def test_how_an_address_is_written_for_whom(host: str, grpc: str, http: str, listeners: tuple[str, str]) -> None:
    address = Address(host)
    assert (address.grpc, address.http) == (grpc, http)
    assert (address.http_listener, address.grpc_listener) == listeners


@pytest.mark.parametrize(
    ("host", "number"), [("127.0.0.1", "127.0.0.1"), ("localhost", "127.0.0.1"), ("0.0.0.0", "0.0.0.0")]
)
def test_hosts_are_numbers(host: str, number: str) -> None:
    assert numeric_host(host) in (number, "::1")
    assert host != number or numeric_host(host) == number


@pytest.mark.parametrize("host", ["no-such-host.invalid", "192.0.2.1", "2001:db8::1", "[", "a" * 300, "", "::1%lo"])
def test_what_is_no_address_of_this_machine_is_refused(host: str) -> None:
    with pytest.raises(ServerError, match="--host "):
        numeric_host(host)


def test_a_taken_port_of_ipv6_is_noticed() -> None:
    if not socket.has_dualstack_ipv6():
        pytest.skip("THIS MACHINE HAS NO IPv6")
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as taken:
        port = taken.getsockname()[1]
        assert port_is_taken("::1", port)
    assert not port_is_taken("::1", port)


@pytest.mark.parametrize("address", ["::1:8001", "::1", "fd00::2:8001", "ipv6:::1:8001"])
def test_an_address_whose_port_cannot_be_told_is_refused(address: str) -> None:
    with pytest.raises(InvalidRequest, match=r"write an address of IPv6 as \[::1\]:8001"):
        Client(address)
