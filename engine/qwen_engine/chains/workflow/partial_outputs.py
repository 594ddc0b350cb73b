"""Lists that are still being made: what runs for each item need not wait for the last one."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

from qwen_engine.chains.workflow.references import Reference, look_up
from qwen_engine.chains.workflow.response_collectors import NodeOutputs
from qwen_wire.errors import InvalidRequest

PENDING = object()
"""Stands for an item that is known to come."""


class PartialOutputs:
    """What a node has made so far, for the nodes that take a list of it item by item."""

    def __init__(self) -> None:
        self.is_taken = False  # an item was taken before the whole was there, so the whole cannot change any more
        self._outputs: NodeOutputs | None = None
        self._is_whole = False
        self._news = asyncio.Event()

    def show(self, outputs: NodeOutputs | None, *, is_whole: bool = False) -> None:
        """The `outputs` so far; None: nothing, and never will be."""
        self._outputs, self._is_whole = outputs, is_whole
        self._news.set()
        self._news = asyncio.Event()

    async def begun(self, reference: Reference) -> None:
        """Wait for the first item, or until it is certain that there is none."""
        while not self._is_whole and all(item is PENDING for item in self._list(reference)):
            await self._news.wait()

    async def items(self, reference: Reference) -> AsyncGenerator[tuple[int, Any], None]:
        """(number, item) of the list that `reference` stands for, each as soon as it is there.

        Raises:
            InvalidRequest: all is there, and the reference leads nowhere or to what is no list.
        """
        taken: set[int] = set()
        while True:
            is_whole, news = self._is_whole, self._news
            for number, item in enumerate(self._list(reference)):
                if item is not PENDING and number not in taken:
                    taken.add(number)
                    self.is_taken = self.is_taken or not is_whole
                    yield number, item
            if is_whole:
                return
            await news.wait()

    def _list(self, reference: Reference) -> list[Any]:
        try:
            found = look_up(reference, {reference.source: self._outputs})
        except InvalidRequest:
            if self._is_whole:
                raise
            return []
        if isinstance(found, list):
            return found
        if self._is_whole and self._outputs is not None:
            raise InvalidRequest("foreach is no list")
        return []
