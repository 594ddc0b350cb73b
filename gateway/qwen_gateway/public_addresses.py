"""Connections to public addresses only: a host is resolved once, and what was checked is what is dialled."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, TypeAlias

import httpcore2 as httpcore

from qwen_gateway.errors import bad_request

Resolve: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]
MAX_TRIED = 3  # addresses of one host
GLOBAL_IPV6 = IPv6Network("2000::/3")  # what is assigned at all; without NAT64, mapped, compatible, local, multicast
SPECIAL = tuple(
    map(
        ip_network,
        (
            "192.88.99.0/24",  # relays of 6to4
            "2001::/23",  # protocols, Teredo among them
            "2001:db8::/32",  # documentation
            "2002::/16",  # 6to4: holds an IPv4 address
            "2620:4f:8000::/48",  # AS112
            "3fff::/20",  # documentation
        ),
    )
)


def is_public(text: str) -> bool:
    """Whether an address belongs to the open internet, as IANA's registries of special addresses have it."""
    try:
        address = ip_address(text)
    except ValueError:
        return False
    if any(address in network for network in SPECIAL if network.version == address.version):
        return False
    if isinstance(address, IPv6Address):
        return address.scope_id is None and address in GLOBAL_IPV6 and address.is_global
    assert isinstance(address, IPv4Address)
    return address.is_global and not address.is_multicast and not address.is_reserved


async def system_addresses(host: str, port: int) -> Sequence[str]:
    """The addresses of a host, by the system's resolver."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


class PublicNetwork(httpcore.AsyncNetworkBackend):
    """Dials what `resolve` finds, where all of it is public. TLS and headers keep the name of the host."""

    def __init__(self, resolve: Resolve = system_addresses, inner: httpcore.AsyncNetworkBackend | None = None) -> None:
        self._resolve = resolve
        self._inner = inner or httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """A connection to the first address that answers.

        Raises:
            GatewayError: one of the addresses is not public.
            httpcore.ConnectError: the host has no address, or none answers.
        """
        addresses = await self._public_addresses(host, port)
        for address in addresses[:-1]:
            try:
                return await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return await self._inner.connect_tcp(addresses[-1], port, timeout, local_address, socket_options)

    async def _public_addresses(self, host: str, port: int) -> Sequence[str]:
        try:
            addresses = list(dict.fromkeys(await self._resolve(host, port)))[:MAX_TRIED]
        except OSError as error:
            raise httpcore.ConnectError(f"{host} has no address") from error
        if not addresses:
            raise httpcore.ConnectError(f"{host} has no address")
        if not all(map(is_public, addresses)):
            raise bad_request(f"{host} is no public host", code="url_refused")
        return addresses
