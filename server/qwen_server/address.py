"""Where a server listens, and plain HTTP requests to it."""

import http.client
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from qwen_server.errors import ServerError

TIMEOUT_S = 5.0
ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # to listen on all addresses, and which of them to connect to


@dataclass(frozen=True)
class Address:
    """Where the server listens; Triton's own ports by default. `host` is a number, of IPv4 or IPv6."""

    host: str = "127.0.0.1"
    http_port: int = 8000
    grpc_port: int = 8001
    metrics_port: int = 8002

    @classmethod
    def free(cls, host: str = "127.0.0.1") -> "Address":
        """Three ports nobody listens on now."""
        sockets = [socket.create_server((host, 0), family=_family(host)) for _ in range(3)]
        ports = [sock.getsockname()[1] for sock in sockets]
        for sock in sockets:
            sock.close()
        return cls(host, *ports)

    @property
    def grpc(self) -> str:
        return f"{_bracketed(self.reachable)}:{self.grpc_port}"

    @property
    def http(self) -> str:
        return f"http://{_bracketed(self.reachable)}:{self.http_port}"

    @property
    def reachable(self) -> str:
        """The host to connect to."""
        return ANY.get(self.host, self.host)

    @property
    def http_listener(self) -> str:
        """The host as Triton's HTTP and metrics servers want it."""
        return f"ipv6:{self.host}" if ":" in self.host else self.host

    @property
    def grpc_listener(self) -> str:
        """The host as Triton's gRPC server wants it."""
        return _bracketed(self.host)

    def ask(
        self,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] = MappingProxyType({}),
        *,
        timeout_s: float = TIMEOUT_S,
    ) -> tuple[int, bytes]:
        """Status and body of the answer to a GET, or to a POST of `body`; never by way of a proxy.

        Raises:
            OSError: no server there, or none that answers in time.
        """
        connection = http.client.HTTPConnection(self.reachable, self.http_port, timeout=timeout_s)
        try:
            connection.request("GET" if body is None else "POST", path, body, dict(headers))
            answer = connection.getresponse()
            return answer.status, answer.read()
        except http.client.HTTPException as error:
            raise ConnectionError(f"no answer from {self.http}{path}: {error!r}") from error
        finally:
            connection.close()


def free_port(host: str = "127.0.0.1") -> int:
    """A port nobody listens on now."""
    with socket.create_server((host, 0), family=_family(host)) as found:
        port: int = found.getsockname()[1]
        return port


def numeric_host(host: str) -> str:
    """The number of `host`: a name, or an address of IPv4 or IPv6, also in brackets. HTTP in Triton knows no names.

    Raises:
        ServerError: nothing can listen there.
    """
    name = host.strip("[]")
    try:
        family, kind, _, _, place = socket.getaddrinfo(name, 0, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        with socket.socket(family, kind) as probe:
            probe.bind(place)
    except (OSError, UnicodeError) as error:
        raise ServerError(f"--host {host} is no address of this machine: {error}") from error
    number = str(place[0])
    if "%" in number:
        raise ServerError(f"--host {host} counts on one interface alone, which Triton cannot listen on; use another")
    return number


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _bracketed(host: str) -> str:
    """As it stands before a port."""
    return f"[{host}]" if ":" in host else host


def port_is_taken(host: str, port: int) -> bool:
    """True if nothing new can listen there."""
    with socket.socket(_family(host)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return True
    return False
