"""Realtime sockets that are open, and callers who vanish: what they cost, and what is left of them."""

import asyncio
import contextlib
from dataclasses import dataclass

import psutil
from websockets.asyncio.client import ClientConnection, connect

SETTLE_S = 60.0
POST = b"POST /api/v1/tts/synthesize HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: "
BODY = b'{"text": "Good morning, everyone, and good evening.", "streaming": true}'
AT_ONCE = 20


@dataclass(frozen=True)
class Held:
    """What the gateway's processes hold."""

    rss_mb: float
    connections: int
    open_files: int


def held(pid: int) -> Held:
    processes = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    return Held(
        sum(one.memory_info().rss for one in processes) / 1e6,
        sum(len(one.net_connections(kind="tcp")) for one in processes),
        sum(one.num_fds() for one in processes),
    )


async def realtime(url: str, pid: int, count: int) -> Held:
    """What is held while `count` realtime sessions are open and idle."""
    place = url.replace("http://", "ws://") + "/v1/realtime?model=gpt-realtime"
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(count):
            socket: ClientConnection = await stack.enter_async_context(connect(place, proxy=None, max_size=2**21))
            await socket.recv()  # session.created
        return held(pid)


async def vanish(port: int, count: int) -> None:
    """`count` callers ask for speech and are gone after the first bytes of the answer."""
    waiting = asyncio.Semaphore(AT_ONCE)

    async def one() -> None:
        async with waiting:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(POST + str(len(BODY)).encode() + b"\r\n\r\n" + BODY)
            await writer.drain()
            await reader.read(64)
            writer.transport.abort()

    await asyncio.gather(*[one() for _ in range(count)])


async def settled(pid: int, before: Held) -> Held:
    """What is held once no more connections are open than before, or after a minute."""
    async with asyncio.timeout(SETTLE_S + 1):
        for _ in range(int(SETTLE_S * 5)):
            now = held(pid)
            if now.connections <= before.connections:
                return now
            await asyncio.sleep(0.2)
    return now
