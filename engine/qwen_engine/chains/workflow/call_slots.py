"""Places for calls of models."""

from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from qwen_engine.chains.slots import FairSlots
from qwen_engine.chains.workflow.signatures import Signature


class CallSlots:
    """Bounds the calls to each model, of all runs together. Calls to chains need none: they bound themselves, and a
    slot that a chain holds could be the one that it waits for."""

    def __init__(self, max_calls: int) -> None:
        self._slots: dict[str, FairSlots] = defaultdict(lambda: FairSlots(max_calls))

    @asynccontextmanager
    async def one(self, model: str, signature: Signature, tenant: str) -> AsyncIterator[None]:
        if signature.form == "chain":
            yield
        else:
            async with self._slots[model].one(tenant):
                yield
