"""Requests in nothing but JSON, as curl and any HTTP client can send them."""

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Protocol

from qwen_server.address import Address

JSON = {"Content-Type": "application/json"}
TIMEOUT_S = 300


class Server(Protocol):
    address: Address


def post(server: Server, path: str, body: Any) -> list[dict[str, Any]]:
    """The JSON objects that are answered: one for plain JSON, several for server-sent events."""
    status, answer = ask(server, path, body)
    assert status == 200, answer
    return [json.loads(line.removeprefix("data: ")) for line in answer.splitlines() if line]


def ask(server: Server, path: str, body: Any, headers: Mapping[str, str] = MappingProxyType({})) -> tuple[int, str]:
    """Status and text of the answer; `path` as qwen3_asr/generate."""
    sent = json.dumps(body).encode()
    status, answer = server.address.ask(f"/v2/models/{path}", sent, {**JSON, **headers}, timeout_s=TIMEOUT_S)
    return status, answer.decode()
