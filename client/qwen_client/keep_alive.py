"""Signs of life for what the server forgets when it hears nothing, sent while the caller is silent."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from weakref import WeakMethod, finalize


class KeepAlive:
    """Calls a method every `interval_s`, on a thread of its own, until it is stopped or nobody has the object."""

    def __init__(self, send: Callable[[], None], interval_s: float) -> None:
        self._stopped = threading.Event()
        finalize(self, self._stopped.set)
        repeating = (WeakMethod(send), interval_s, self._stopped)
        threading.Thread(target=_repeat, args=repeating, name="keep-alive", daemon=True).start()

    def stop(self) -> None:
        self._stopped.set()


def _repeat(method: WeakMethod[Callable[[], None]], interval_s: float, stopped: threading.Event) -> None:
    while not stopped.wait(interval_s):
        if (send := method()) is not None:
            send()
        del send  # else it would keep the object


class AsyncKeepAlive:
    """As `KeepAlive`, in a task of the running loop."""

    def __init__(self, send: Callable[[], Awaitable[None]], interval_s: float) -> None:
        self._task = asyncio.create_task(_repeat_async(WeakMethod(send), interval_s))

    def stop(self) -> None:
        self._task.cancel()


async def _repeat_async(method: WeakMethod[Callable[[], Awaitable[None]]], interval_s: float) -> None:
    while True:
        await asyncio.sleep(interval_s)
        if (send := method()) is None:
            return
        await send()
        del send
