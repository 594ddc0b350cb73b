"""The options of gRPC channels. Proxies of the environment are for servers elsewhere."""

import ipaddress
import re

IPV6_FORM = re.compile(r"[0-9A-Fa-f:.%]+")

Options = list[tuple[str, int | str]]

ANY: Options = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    # gRPC would wait up to two minutes before it looks again for a server that was restarted.
    ("grpc.max_reconnect_backoff_ms", 2_000),
    # A request that is sent again soon is to find a server that is back by then.
    ("grpc.initial_reconnect_backoff_ms", 100),
]
DIRECT: Options = [*ANY, ("grpc.enable_http_proxy", 0)]
"""For servers that no proxy is to come before, whatever `http_proxy` and the like say."""

SCHEME = re.compile(r"^(dns|ipv4|ipv6):(//[^/]*/|/)?", re.IGNORECASE)
PORT = re.compile(r":\d+$")


def channel_options(address: str) -> Options:
    """For a channel to `address`: direct where that is this machine, else as gRPC reads the environment."""
    return DIRECT if is_local(address) else ANY


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
