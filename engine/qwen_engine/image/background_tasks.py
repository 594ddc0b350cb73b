"""What surrounds the steps, on a thread of its own: prompts and given pictures are encoded, finished ones decoded.

Meanwhile the others' steps go on. It alone touches text encoder and VAE, in the order of arrival.
"""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from qwen_engine.loop import Session, fail_alone
from qwen_engine.worker_thread import Worker
from qwen_wire.errors import ServerError


@dataclass(frozen=True, eq=False)
class BackgroundTask:
    """Something to do for `session`; what goes wrong with it ends that session only."""

    session: Session[Any]
    do: Callable[[], None]


class BackgroundTasks:
    """Does chores `beside` the steps, or else one a turn: where both need the same memory."""

    def __init__(self, *, beside: bool) -> None:
        self.beside = beside
        self._waiting: deque[BackgroundTask] = deque()
        self._num_done = self._num_seen = 0
        self._changed = threading.Condition()
        self._doing: BackgroundTask | None = None
        self._worker = Worker("background", self._do_next, fail=self._fail_all)

    def add(self, chore: BackgroundTask) -> None:
        with self._changed:
            self._waiting.append(chore)
        if self.beside:
            self._worker.wake()

    def drop(self, session: Session[Any]) -> None:
        """Forget what waits of `session`; what is being done is done."""
        with self._changed:
            self._waiting = deque(chore for chore in self._waiting if chore.session is not session)

    def take_turn(self) -> None:
        """Do one, where they are not done beside the steps."""
        if not self.beside:
            self._do_next()

    def wait(self, timeout_s: float) -> bool:
        """Until one was done since the last call, for `timeout_s` at most; False where none was to be done."""
        with self._changed:
            if self.beside and self._has_work():
                self._changed.wait_for(lambda: self._num_done != self._num_seen, timeout_s)
            news = self._num_done != self._num_seen or self._has_work()
            self._num_seen = self._num_done
            return news

    def _has_work(self) -> bool:
        return bool(self._waiting) or (self.beside and self._doing is not None)

    def _do_next(self) -> bool:
        with self._changed:
            if not self._waiting:
                return False
            self._doing = chore = self._waiting.popleft()
        with fail_alone(chore.session), torch.inference_mode():
            chore.do()
        self._end()
        return True

    def _end(self) -> None:
        """Of what was being done."""
        with self._changed:
            self._doing = None
            self._num_done += 1
            self._changed.notify_all()

    def _fail_all(self) -> None:
        with self._changed:
            background = [*([self._doing] if self._doing else []), *self._waiting]
            self._waiting.clear()
        for chore in background:
            chore.session.fail(ServerError())
        self._end()
