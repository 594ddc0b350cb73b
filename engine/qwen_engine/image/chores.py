"""What surrounds the steps, on a thread of its own: prompts and given pictures are encoded, finished ones decoded.

Meanwhile the others' steps go on. It alone touches text encoder and VAE, in the order of arrival.
"""

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import torch

from qwen_engine.loop import Session, fail_alone


@dataclass(frozen=True, eq=False)
class Chore:
    """Something to do for `session`; what goes wrong with it ends that session only."""

    session: Session[Any]
    do: Callable[[], None]


class Chores:
    """Does chores `beside` the steps, or else one a turn: where both need the same memory."""

    def __init__(self, *, beside: bool) -> None:
        self.beside = beside
        self._waiting: deque[Chore] = deque()
        self._num_done = self._num_seen = 0
        self._changed = threading.Condition()
        self._working = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="chores")

    def add(self, chore: Chore) -> None:
        with self._changed:
            self._waiting.append(chore)
            if self.beside and not self._working:
                self._working = True
                self._thread.submit(self._work)

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
            if self.beside and self._working:
                self._changed.wait_for(lambda: self._num_done != self._num_seen, timeout_s)
            news = self._num_done != self._num_seen or bool(self._waiting) or self._working
            self._num_seen = self._num_done
            return news

    def _work(self) -> None:
        while self._do_next():
            pass

    def _do_next(self) -> bool:
        with self._changed:
            if not self._waiting:
                self._working = False
                return False
            chore = self._waiting.popleft()
        with fail_alone(chore.session), torch.inference_mode():
            chore.do()
        with self._changed:
            self._num_done += 1
            self._changed.notify_all()
        return True
