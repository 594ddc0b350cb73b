"""The Triton servers behind the gateway: a connection to each, and which of them takes the next request."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from qwen_client import AsyncClient
from qwen_wire.errors import DeadlineExceeded, QwenError, Unavailable

AVOIDED_S = 2.0  # a server that could not be reached


@dataclass(eq=False)
class _Server:
    """One server; `num_open` requests are in progress there, and it is avoided until `avoided_until_s`."""

    address: str
    client: AsyncClient
    num_open: int = 0
    avoided_until_s: float = 0.0


class Upstream:
    """Connections to all servers, which belong to one event loop.

    with upstream.server() as client:
        heard = await client.asr.transcribe(data)
    """

    def __init__(self, addresses: Sequence[str], timeout_s: float) -> None:
        self._servers = [_Server(address, AsyncClient(address, timeout_s=timeout_s)) for address in addresses]

    @contextmanager
    def server(self, avoided: Sequence[AsyncClient] = ()) -> Iterator[AsyncClient]:
        """The server with the fewest requests of this process, where there is one that is not `avoided`."""
        now_s = time.monotonic()
        chosen = min(
            self._servers,
            key=lambda one: (one.client in avoided, one.avoided_until_s > now_s, one.num_open),
        )
        chosen.num_open += 1
        try:
            yield chosen.client
        except (Unavailable, DeadlineExceeded) as error:
            if isinstance(error, Unavailable):
                chosen.avoided_until_s = time.monotonic() + AVOIDED_S
            raise type(error)(_without(chosen.address, error), error.status, error.request_id) from error
        finally:
            chosen.num_open -= 1

    async def ready(self) -> dict[str, bool]:
        """Which models are ready: on one of the servers at least. Empty where none answers."""
        found: dict[str, bool] = {}
        for server in self._servers:
            try:
                models = (await server.client.with_options(timeout_s=2.0, retries=0).health()).models
            except QwenError:
                continue
            for name, is_ready in models.items():
                found[name] = found.get(name, False) or is_ready
        return found

    async def close(self) -> None:
        """Close all connections; what still runs is cancelled."""
        for server in self._servers:
            await server.client.close()


def _without(address: str, error: QwenError) -> str:
    """The message without an address, which is no caller's business."""
    return (
        "no server answers; try again"
        if "no gRPC server" in error.message
        else error.message.replace(address, "the server")
    )
