"""Whose a request is: the tenant that a gateway names, and how tenants share what is scarce.

What is kept for a tenant (a stream, a conversation, a voice, a cached prompt) is kept under the tenant's name first, so
that no other reaches it.
"""

import re
from collections import deque
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from qwen_wire.errors import InvalidRequest

TENANT = "qwen-tenant"
DEFAULT_TENANT = "default"
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")

ItemT = TypeVar("ItemT")


def read_tenant(given: set[str]) -> str | None:
    """The tenant among the values that `qwen-tenant` has in a request; None: it names none.

    Raises:
        InvalidRequest: it is no name, or there are several: whoever added the second may not be who added the first.
    """
    if len(given) > 1:
        raise InvalidRequest(f"{TENANT} is given {len(given)} times, with different values; send it once")
    for tenant in given:
        if not NAME.fullmatch(tenant):
            raise InvalidRequest(f"{TENANT} is {tenant[:80]!r}: use up to 64 of a-z, 0-9, - and _")
        return tenant
    return None


class FairQueue(Generic[ItemT]):
    """What waits, each tenant's in the order in which it came.

    Whoever holds least is served first; those who hold as much as each other take turns.
    """

    def __init__(self) -> None:
        self._waiting: dict[str, deque[ItemT]] = {}  # whose turn is next comes first

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    def __iter__(self) -> Iterator[ItemT]:
        for items in self._waiting.values():
            yield from items

    def num_of(self, tenant: str) -> int:
        """How many of `tenant`'s wait."""
        return len(self._waiting.get(tenant, ()))

    def push(self, tenant: str, item: ItemT) -> None:
        """The last one of `tenant`'s."""
        self._waiting.setdefault(tenant, deque()).append(item)

    def firsts(self, held: Callable[[str], int]) -> list[tuple[str, ItemT]]:
        """Every tenant's first one, in the order of service; `held` says how much a tenant holds."""
        ordered = sorted(self._waiting, key=held)
        return [(tenant, self._waiting[tenant][0]) for tenant in ordered]

    def pop(self, tenant: str) -> ItemT:
        """Take `tenant`'s first one; its next turn comes after everybody else's."""
        items = self._waiting.pop(tenant)
        item = items.popleft()
        if items:
            self._waiting[tenant] = items
        return item

    def remove(self, tenant: str, item: ItemT) -> None:
        """Take out one that waits no more, if it still does."""
        items = self._waiting.get(tenant, deque())
        if item in items:
            items.remove(item)
            if not items:
                del self._waiting[tenant]

    def clear(self) -> None:
        self._waiting.clear()
