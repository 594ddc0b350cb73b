"""What callers open under a name and come back to: live streams, conversations, texts that are still being written.

A name may be guessed, so it opens nothing: whoever opens a thing gets a token, which `get` requires.
"""

import hmac
import secrets
import threading
from collections import Counter
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from qwen_engine.settings import TenantSettings
from qwen_wire.errors import InvalidRequest, Unavailable

TOKEN_BYTES = 32
MAX_NAME_CHARS = 80  # in messages

ThingT = TypeVar("ThingT")


@dataclass(frozen=True)
class _Entry(Generic[ThingT]):
    thing: ThingT
    token: bytes


class Registry(Generic[ThingT]):
    """Things of one kind (`noun`), each tenant's apart: `limit` of all tenants together. Any thread.

    Example:
        streams = Registry("stream", limit=64, tenants=settings.tenants)
        token = streams.open("default", 11, stream)
        streams.get("default", 11, token)
    """

    def __init__(self, noun: str, *, limit: int, tenants: TenantSettings) -> None:
        self._noun = noun
        self._limit = limit
        self._tenants = tenants
        self._entries: dict[tuple[str, Hashable], _Entry[ThingT]] = {}
        self._num_of: Counter[str] = Counter()
        self._lock = threading.RLock()

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[tuple[str, Hashable, ThingT]]:
        """All that are open now: tenant, name and thing."""
        with self._lock:
            entries = list(self._entries.items())
        return iter([(tenant, name, entry.thing) for (tenant, name), entry in entries])

    def open(self, tenant: str, name: Hashable, thing: ThingT) -> str:
        """Keep `thing`; the token that `get` will ask for.

        Raises:
            InvalidRequest: the tenant has one of this name.
            Unavailable: it would be one too many.
        """
        with self._lock:
            self.require_room(tenant, name)
            token = secrets.token_urlsafe(TOKEN_BYTES)
            self._entries[tenant, name] = _Entry(thing, token.encode())
            self._num_of[tenant] += 1
        return token

    def require_room(self, tenant: str, name: Hashable) -> None:
        """Raises as `open` would."""
        noun, num_own = self._noun, self._num_of[tenant]
        if (tenant, name) in self._entries:
            raise InvalidRequest(
                f"{noun} {_quoted(name)} is open already: choose another name, or send the token that its first event "
                "told as OPTIONS.token"
            )
        if len(self._entries) >= self._limit:
            raise Unavailable(f"{len(self._entries)} {noun}s are open, the limit; end one, or try again later")
        if num_own >= self._tenants.allowance(self._limit, tenant):
            raise Unavailable(f"this tenant has {num_own} {noun}s open, its limit; end one, or try again later")

    def get(self, tenant: str, name: Hashable, token: str | None) -> ThingT:
        """The thing that was opened with this `token`.

        Raises:
            InvalidRequest: another token, or none; the message is the same where nothing is open.
        """
        entry = self._entries.get((tenant, name))
        fits = hmac.compare_digest(b"" if entry is None else entry.token, (token or "").encode())
        if entry is None or not fits:
            raise InvalidRequest(
                f"OPTIONS.token opens no {self._noun} {_quoted(name)}: send the token that its first event told; what "
                "ended, failed or was silent for too long is open no more"
            )
        return entry.thing

    def close(self, tenant: str, name: Hashable, thing: ThingT) -> None:
        """Forget `thing`, if it is what is open under this name."""
        with self._lock:
            entry = self._entries.get((tenant, name))
            if entry is not None and entry.thing is thing:
                del self._entries[tenant, name]
                self._num_of[tenant] -= 1
                self._num_of += Counter()  # forgets those that have none


def _quoted(name: Hashable) -> str:
    return repr(name)[:MAX_NAME_CHARS]
