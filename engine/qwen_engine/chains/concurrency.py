"""Places for runs: so many at once at each depth of nesting, so that nested chains never wait for those around them."""

import asyncio
import math
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from qwen_engine.chains.slots import FairSlots
from qwen_engine.settings import ChainSettings
from qwen_wire.errors import DeadlineExceeded, InvalidRequest, Unavailable


class ConcurrencyLimiter:
    """A run at one depth waits only for runs at the same depth, and those only for deeper ones, down to `max_depth`:
    there is no circle to wait in.

    Example:
        async with places.one(trace.depth, trace.tenant):
            ...
    """

    def __init__(self, settings: ChainSettings) -> None:
        self._settings = settings
        self._slots: dict[int, FairSlots] = defaultdict(lambda: FairSlots(settings.max_runs))

    @asynccontextmanager
    async def one(self, depth: int, tenant: str, left_s: float = math.inf) -> AsyncIterator[None]:
        """A place for the length of the block, for a run that has `left_s` seconds left.

        Raises:
            InvalidRequest: nested too deep, as a chain that calls itself is sooner or later.
            Unavailable: too many wait already, or none became free in time.
            DeadlineExceeded: none became free within `left_s`.
        """
        if depth > self._settings.max_depth:
            raise InvalidRequest(
                f"{depth} chains are around this one, the limit is {self._settings.max_depth}: does one call itself?"
            )
        slots = self._slots[depth]
        await self._take(slots, tenant, left_s)
        try:
            yield
        finally:
            slots.release(tenant)

    async def _take(self, slots: FairSlots, tenant: str, left_s: float) -> None:
        if slots.is_full:
            self._check_queue(slots, tenant)
        try:
            async with asyncio.timeout(min(self._settings.max_wait_s, left_s)):
                await slots.take(tenant)
        except TimeoutError:
            if left_s < self._settings.max_wait_s:
                raise DeadlineExceeded("no place became free within the time that the request allowed") from None
            raise Unavailable(f"no place became free within {self._settings.max_wait_s:g} s; try again later") from None

    def _check_queue(self, slots: FairSlots, tenant: str) -> None:
        limit, waiting = self._settings.max_queue, slots.num_waiting_of(tenant)
        if slots.num_waiting >= limit:
            raise Unavailable(f"the queue is full ({limit} waiting); try again later")
        if waiting >= self._settings.tenants.allowance(limit, tenant):
            raise Unavailable(f"{waiting} requests of this tenant are waiting, its limit; try again later")
