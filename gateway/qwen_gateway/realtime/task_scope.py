"""Tasks that live no longer than what they work for."""

import asyncio
from collections.abc import Coroutine
from typing import Any


class TaskScope:
    """The first task that fails ends all others. (asyncio.TaskGroup would do; Python 3.10 has none.)

    scope = TaskScope()
    await scope.run(read(scope))  # which calls scope.start(…)
    """

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()
        self._failure: Exception | None = None
        self._has_failed = asyncio.Event()

    def start(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    async def run(self, work: Coroutine[Any, Any, Any]) -> None:
        """Do `work`, and end what it has started. Raises what one of the tasks raised."""
        first, failing = self.start(work), asyncio.create_task(self._has_failed.wait())
        try:
            await asyncio.wait((first, failing), return_when=asyncio.FIRST_COMPLETED)
        finally:
            failing.cancel()
            left = {failing, *self._tasks}
            for task in left:
                task.cancel()
            await asyncio.wait(left)
        if self._failure is not None:
            raise self._failure

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if task.cancelled() or (error := task.exception()) is None:
            return
        self._failure = self._failure or (error if isinstance(error, Exception) else RuntimeError(repr(error)))
        self._has_failed.set()
