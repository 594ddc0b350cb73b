"""The options of gRPC channels. Proxies of the environment are for servers elsewhere."""

import ipaddress
import re

from qwen_wire.errors import InvalidRequest

IPV6_FORM = re.compile(r"[0-9A-Fa-f:.%]+")

Options = list[tuple[str, int]]

ANY: Options = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    # gRPC would wait up to two minutes before it looks again for a server that was restarted.
    ("grpc.max_reconnect_backoff_ms", 2_000),
]
DIRECT: Options = [*ANY, ("grpc.enable_http_proxy", 0)]
"""For servers that no proxy is to come before, whatever `http_proxy` and the like say."""

SCHEME = re.compile(r"^(dns|ipv4|ipv6):(//[^/]*/|/)?", re.IGNORECASE)
PORT = re.compile(r":\d+$")


def channel_options(address: str) -> Options:
    """For a channel to `address`: direct where that is this machine, else as gRPC reads the environment."""
    return DIRECT if is_local(address) else ANY


def check_address(address: str) -> None:
    """Raise where gRPC would take the port for a part of the host."""
    host = SCHEME.sub("", address)
    if host.count(":") > 1 and IPV6_FORM.fullmatch(host):
        raise InvalidRequest(f"address is {address[:80]!r}: write an address of IPv6 as [::1]:8001")


def is_local(address: str) -> bool:
    """Whether a gRPC target such as 127.0.0.1:8001, localhost:8001, [::1]:8001 or unix:PATH is this machine."""
    if address.startswith(("unix:", "unix-abstract:")):
        return True
    host = PORT.sub("", SCHEME.sub("", address)).strip("[]").lower()
    try:
        number = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
    number = getattr(number, "ipv4_mapped", None) or number
    return number.is_loopback or number.is_unspecified
