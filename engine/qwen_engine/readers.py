"""Threads that read requests with files or schemas, so that others do not wait for them."""

import threading
import time
from collections import Counter
from collections.abc import Callable

from qwen_engine.settings import TenantSettings
from qwen_engine.tenants import FairQueue
from qwen_engine.worker_thread import WorkerThread
from qwen_wire.errors import Unavailable

Read = Callable[[], None]


class Readers:
    """`num_threads` threads for up to `max_waiting` requests; tenants share both."""

    def __init__(self, num_threads: int, max_waiting: int, tenants: TenantSettings) -> None:
        self._num_threads = num_threads
        self._max_waiting = max_waiting
        self._tenants = tenants
        self._waiting: FairQueue[Read] = FairQueue()
        self._reading: Counter[str] = Counter()
        self._changed = threading.Condition()
        self._closing = False
        self._threads = [WorkerThread(f"reader-{number}", self._read_next) for number in range(num_threads)]

    def submit(self, tenant: str, read: Read) -> None:
        """Have a thread call `read`, which must not raise.

        Raises:
            Unavailable: there is no room.
        """
        with self._changed:
            if self._closing:
                raise Unavailable("the server is shutting down")
            most = self._tenants.allowance(self._max_waiting, tenant)
            if len(self._waiting) >= self._max_waiting or self._waiting.num_of(tenant) >= most:
                raise Unavailable(f"too many requests wait to be read ({len(self._waiting)}); try again later")
            self._waiting.push(tenant, read)
            self._changed.notify()

    def close(self, timeout_s: float) -> None:
        """Refuse new requests and read those accepted."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        end_s = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(0.0, end_s - time.monotonic()))

    def _read_next(self) -> bool:
        if (entry := self._next()) is None:
            return False
        tenant, read = entry
        try:
            read()
        finally:
            with self._changed:
                self._reading -= Counter([tenant])
                self._changed.notify_all()
        return True

    def _next(self) -> tuple[str, Read] | None:
        """The next request to read, with its tenant; None: there are no more."""
        with self._changed:
            self._changed.wait_for(lambda: self._next_tenant() is not None or (self._closing and not self._waiting))
            tenant = self._next_tenant()
            if tenant is None:
                return None
            self._reading[tenant] += 1
            return tenant, self._waiting.pop(tenant)

    def _next_tenant(self) -> str | None:
        """The tenant that is next; None: all tenants with waiting requests have as many threads as they may."""
        for tenant, _ in self._waiting.firsts(self._reading.__getitem__):
            if self._reading[tenant] < self._tenants.allowance(self._num_threads, tenant):
                return tenant
        return None
