"""A chain that runs: its events as they come, and its result."""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from types import TracebackType
from typing import Generic

from typing_extensions import Self

from qwen_client.jobs import Ending, EventT, ResultT, StreamJob
from qwen_client.methods import Method, P, handing
from qwen_client.stream import AsyncStream, Stream
from qwen_client.transport import AsyncTransport, Transport

Collect = Callable[[Sequence[EventT], Ending], ResultT]


class ChainRun(Generic[EventT, ResultT]):
    """Iterate over it for the events; `result` waits for the rest. Leaving the `with` block early cancels.

    board = client.chains.storyboard("a red circle and a green star").result()

    with client.chains.storyboard("a red circle and a green star") as run:
        for event in run:
            print(event.stage, event.time_s)
        run.result().save("board/")
    """

    def __init__(self, stream: Stream[EventT], collect: "Collect[EventT, ResultT]") -> None:
        self._stream = stream
        self._collect = collect
        self._events: list[EventT] = []

    @property
    def request_id(self) -> str:
        """By which the server's log knows the chain."""
        return self._stream.request_id

    def result(self) -> ResultT:
        """What the chain made, once it has ended.

        Raises:
            ChainFailed: a stage failed; the error holds the stage and what the others made.
        """
        with self:
            for _ in self:
                pass
        return self._collect(self._events, self._stream.ending())

    def close(self) -> None:
        """Cancel the chain, unless it is over."""
        self._stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[EventT]:
        return self

    def __next__(self) -> EventT:
        event = next(self._stream)
        self._events.append(event)
        return event


class AsyncChainRun(Generic[EventT, ResultT]):
    """As `ChainRun`, with `async with`, `async for` and `await run.result()`."""

    def __init__(self, stream: AsyncStream[EventT], collect: "Collect[EventT, ResultT]") -> None:
        self._stream = stream
        self._collect = collect
        self._events: list[EventT] = []

    @property
    def request_id(self) -> str:
        """By which the server's log knows the chain."""
        return self._stream.request_id

    async def result(self) -> ResultT:
        """As `ChainRun.result`."""
        async with self:
            async for _ in self:
                pass
        return self._collect(self._events, self._stream.ending())

    async def close(self) -> None:
        """Cancel the chain, unless it is over."""
        await self._stream.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stream.__aexit__(kind, error, trace)

    def __aiter__(self) -> AsyncIterator[EventT]:
        return self

    async def __anext__(self) -> EventT:
        event = await anext(self._stream)
        self._events.append(event)
        return event


def following(
    plan: Callable[P, StreamJob[EventT, ResultT]],
) -> Method[P, ChainRun[EventT, ResultT], AsyncChainRun[EventT, ResultT]]:
    """A method that sends the planned job's request and returns a run, whose events are to come."""
    return handing(plan, follow, follow_async)


def follow(transport: Transport, job: StreamJob[EventT, ResultT]) -> ChainRun[EventT, ResultT]:
    return ChainRun(transport.open(job), job.collect)


def follow_async(transport: AsyncTransport, job: StreamJob[EventT, ResultT]) -> AsyncChainRun[EventT, ResultT]:
    return AsyncChainRun(transport.open(job), job.collect)
