"""Models of a running server, taken away and given back."""

from typing import Protocol

from qwen_server.address import Address
from qwen_server.admin_key import AdminKey

TIMEOUT_S = 300


class Server(Protocol):
    address: Address


def load(server: Server, model: str) -> None:
    _ask(server, model, "load")


def unload(server: Server, model: str) -> None:
    """Returns once it is gone; from the first moment on it takes no request."""
    _ask(server, model, "unload")


def _ask(server: Server, model: str, action: str) -> None:
    headers = AdminKey.of_server(server.address.grpc_port).http_headers
    path = f"/v2/repository/models/{model}/{action}"
    status, answer = server.address.ask(path, b"{}", headers, timeout_s=TIMEOUT_S)
    assert status == 200, answer
