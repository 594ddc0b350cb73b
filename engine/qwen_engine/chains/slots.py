"""So many at once, for coroutines of one asyncio loop: a semaphore that is fair to tenants."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from qwen_engine.tenants import FairQueue


class FairSlots:
    """`num_slots` of them. Those who wait are admitted as `FairQueue` says.

    Example:
        async with slots.one("tenant"):
            ...
    """

    def __init__(self, num_slots: int) -> None:
        self._num_free = num_slots
        self._held: Counter[str] = Counter()
        self._waiting: FairQueue[asyncio.Future[None]] = FairQueue()

    @property
    def num_waiting(self) -> int:
        return len(self._waiting)

    @property
    def is_full(self) -> bool:
        """Whether the next one has to wait."""
        return not self._num_free or bool(self._waiting)

    def num_waiting_of(self, tenant: str) -> int:
        return self._waiting.num_of(tenant)

    @asynccontextmanager
    async def one(self, tenant: str) -> AsyncIterator[None]:
        """A slot for the length of the block."""
        await self.take(tenant)
        try:
            yield
        finally:
            self.release(tenant)

    async def take(self, tenant: str) -> None:
        """Wait for a slot, which is then to be released."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.push(tenant, waiter)
        self._admit()
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.cancelled():
                self._waiting.remove(tenant, waiter)
            else:  # it had just been admitted
                self.release(tenant)
            raise

    def release(self, tenant: str) -> None:
        """Give a slot back."""
        self._held[tenant] -= 1
        if not self._held[tenant]:
            del self._held[tenant]
        self._num_free += 1
        self._admit()

    def _admit(self) -> None:
        while self._num_free and self._waiting:
            tenant, _ = self._waiting.firsts(self._held.__getitem__)[0]
            waiter = self._waiting.pop(tenant)
            if waiter.done():  # cancelled, and not yet taken out
                continue
            self._num_free -= 1
            self._held[tenant] += 1
            waiter.set_result(None)
