"""Requests to Triton's HTTP ports, each read to its end, whoever leaves."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

import httpcore2 as httpcore

from qwen_wire.errors import DeadlineExceeded, Unavailable

CONNECT_S = 5.0
READ_OUT_S = 1.0  # for a cancelled request to end by itself
ASK_AGAIN_S = 0.2  # one that was not found may still be on its way to the model
MAX_WAITING = 16  # parts that a caller has not taken yet
MAX_CONNECTIONS = 2000


@dataclass(frozen=True)
class Head:
    status: int
    headers: Mapping[str, str]


@dataclass(eq=False)
class TritonServer:
    """The HTTP port of one server."""

    address: str
    pool: httpcore.AsyncConnectionPool = field(
        default_factory=lambda: httpcore.AsyncConnectionPool(max_connections=MAX_CONNECTIONS, http2=False)
    )
    num_open: int = 0

    def request(
        self, method: str, path: str, headers: Mapping[str, str], content: bytes, timeout_s: float
    ) -> httpcore.Request:
        sent = {**headers, "host": self.address, "content-length": str(len(content))}
        timeouts = {"connect": CONNECT_S, "read": timeout_s, "write": timeout_s, "pool": CONNECT_S}
        return httpcore.Request(
            method,
            f"http://{self.address}{path}",
            headers=[*sent.items()],
            content=content,
            extensions={"timeout": timeouts},
        )


class Exchange:
    """A request and its answer. A caller may leave: the request is cancelled by `cancel`, and its answer read out.

    To close the connection of a stream that is just ending is a race in Triton 2.51.
    """

    def __init__(
        self, server: TritonServer, request: httpcore.Request, cancel: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        self._server = server
        self._request = request
        self._cancel = cancel
        self._has_left = False
        self._parts: asyncio.Queue[bytes | Exception | None] = asyncio.Queue(MAX_WAITING)
        self._head: asyncio.Future[Head] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._run())

    async def head(self) -> Head:
        """Status and headers. Raises `Unavailable` where no server answers."""
        return await asyncio.shield(self._head)

    async def parts(self) -> AsyncGenerator[bytes, None]:
        """The answer as it comes."""
        while (part := await self._parts.get()) is not None:
            if isinstance(part, Exception):
                raise part
            yield part

    async def end(self) -> None:
        """Nobody reads any further: what still runs is cancelled."""
        self._has_left = True
        while not self._parts.empty():
            self._parts.get_nowait()
        end_s = asyncio.get_running_loop().time() + READ_OUT_S
        while not self._task.done() and asyncio.get_running_loop().time() < end_s:
            if self._cancel is not None:
                await self._cancel()
            await asyncio.wait((self._task,), timeout=ASK_AGAIN_S)
        self._task.cancel()
        await asyncio.wait((self._task,))
        if self._head.done() and not self._head.cancelled():
            self._head.exception()  # which nobody asks for any more

    async def _run(self) -> None:
        self._server.num_open += 1
        try:
            answer = await self._server.pool.handle_async_request(self._request)
            try:
                headers = {name.decode().lower(): value.decode("latin-1") for name, value in answer.headers}
                self._head.set_result(Head(answer.status, headers))
                async for part in answer.aiter_stream():
                    await self._put(part)
            finally:
                await answer.aclose()
            await self._put(None)
        except httpcore.ReadTimeout as error:
            await self._fail(DeadlineExceeded("the server did not answer in time"), error)
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException) as error:
            await self._fail(Unavailable("no server answers; try again"), error)
        finally:
            self._server.num_open -= 1
            self._head.cancel()

    async def _put(self, part: bytes | Exception | None) -> None:
        if not self._has_left:
            await self._parts.put(part)

    async def _fail(self, error: Exception, cause: Exception) -> None:
        error.__cause__ = cause
        if self._head.done():
            await self._put(error)
        else:
            self._head.set_exception(error)


class TritonHTTP:
    """The HTTP ports of all servers, which belong to one event loop."""

    def __init__(self, addresses: Sequence[str]) -> None:
        self._servers = [TritonServer(address) for address in addresses]
        self._endings: set[asyncio.Task[None]] = set()

    @property
    def is_there(self) -> bool:
        return bool(self._servers)

    def server(self, sequence_id: int | None = None) -> TritonServer:
        """The one with the fewest requests of this process; for a sequence, always the same."""
        if sequence_id is not None:
            return self._servers[sequence_id % len(self._servers)]
        return min(self._servers, key=lambda one: one.num_open)

    def end(self, exchange: Exchange) -> None:
        """Have an exchange ended beside whatever goes on."""
        ending = asyncio.create_task(exchange.end())
        self._endings.add(ending)
        ending.add_done_callback(self._endings.discard)

    async def close(self) -> None:
        """Wait for exchanges to end, and close all connections."""
        if self._endings:
            await asyncio.wait(self._endings)
        for server in self._servers:
            await server.pool.aclose()
