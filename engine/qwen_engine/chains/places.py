"""Places for runs: so many at once at each depth of nesting, so that nested chains never wait for those around them."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from qwen_engine.errors import InvalidRequest, Unavailable
from qwen_engine.settings import ChainSettings


class Places:
    """A run at one depth waits only for runs at the same depth, and those only for deeper ones, down to `max_depth`:
    there is no circle to wait in.

    Example:
        async with places.one(trace.depth):
            ...
    """

    def __init__(self, settings: ChainSettings) -> None:
        self._settings = settings
        self._free: dict[int, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(settings.max_runs))
        self._num_waiting: dict[int, int] = defaultdict(int)

    @asynccontextmanager
    async def one(self, depth: int) -> AsyncIterator[None]:
        """A place for the length of the block.

        Raises:
            InvalidRequest: nested too deep, as a chain that calls itself is sooner or later.
            Unavailable: too many wait already, or none became free in time.
        """
        if depth > self._settings.max_depth:
            raise InvalidRequest(
                f"{depth} chains are around this one, the limit is {self._settings.max_depth}: does one call itself?"
            )
        free = self._free[depth]
        await self._take(free, depth)
        try:
            yield
        finally:
            free.release()

    async def _take(self, free: asyncio.Semaphore, depth: int) -> None:
        if free.locked() and self._num_waiting[depth] >= self._settings.max_queue:
            raise Unavailable(f"the queue is full ({self._settings.max_queue} waiting); try again later")
        self._num_waiting[depth] += 1
        try:
            async with asyncio.timeout(self._settings.max_wait_s):
                await free.acquire()
        except TimeoutError:
            raise Unavailable(f"no place became free within {self._settings.max_wait_s:g} s; try again later") from None
        finally:
            self._num_waiting[depth] -= 1
