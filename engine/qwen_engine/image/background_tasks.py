"""A thread beside the denoising steps, which encodes prompts and pictures and decodes finished latents.

No other thread uses text encoder and VAE. Tasks run in the order of arrival.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from qwen_engine.batch_worker import BatchWorker
from qwen_engine.session import Session, fail_alone
from qwen_wire.errors import ServerError


@dataclass(frozen=True, eq=False)
class BackgroundTask:
    """Something to do for `session`; an error in it ends that session only."""

    session: Session[Any]
    do: Callable[[], None]


class BackgroundTasks:
    """Runs tasks `beside` the steps, or one between two steps: where both need the same memory."""

    def __init__(self, *, beside: bool) -> None:
        self.beside = beside
        self._worker: BatchWorker[BackgroundTask] = BatchWorker(
            "background", choose=lambda tasks: tasks[:1], work=_run, fail=lambda task: task.session.fail(ServerError())
        )

    def submit(self, task: BackgroundTask) -> None:
        self._worker.submit([task], wake=self.beside)

    def drop(self, session: Session[Any]) -> None:
        """Forget the waiting tasks of `session`; a running one is completed."""
        self._worker.drop(lambda task: task.session is session)

    def run_one(self) -> None:
        """Run a task now, where they do not run beside the steps."""
        if not self.beside:
            self._worker.run_once()

    def wait(self, timeout_s: float) -> bool:
        """Until a task is done since the last call, for `timeout_s` at most; False: there was none."""
        had_work = self._worker.wait(timeout_s if self.beside else 0.0)
        self._worker.take()
        return had_work


@torch.inference_mode()
def _run(tasks: Sequence[BackgroundTask]) -> Sequence[BackgroundTask]:
    for task in tasks:
        with fail_alone(task.session):
            task.do()
    return tasks
