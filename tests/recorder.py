"""A sink that keeps what it gets, and the way to run requests through an engine loop."""

import threading
from collections.abc import Callable, Sequence
from typing import Any

from qwen_engine.loop import EngineLoop, Model
from qwen_engine.session import Session
from qwen_wire.errors import QwenError

WAIT_S = 120


class Recorder:
    """Keeps events and the one end; calls `on_event` with each event, on the device thread."""

    def __init__(self, on_event: Callable[[Any], None] = lambda _: None, is_disconnected: bool = False) -> None:
        self.events: list[Any] = []
        self.ends: list[Any] = []
        self.closing: dict[str, Any] = {}
        self.done = threading.Event()
        self._on_event = on_event
        self._abandoned = is_disconnected

    def emit(self, event: Any) -> None:
        self.events.append(event)
        self._on_event(event)

    def end(self, reason: str, closing: dict[str, Any]) -> None:
        self.ends.append(reason)
        self.closing = closing
        self.done.set()

    def fail(self, error: QwenError) -> None:
        self.ends.append(error)
        self.done.set()

    def is_disconnected(self) -> bool:
        return self._abandoned

    def outcome(self) -> Any:
        """The reason or the error it ended with, exactly once."""
        assert self.done.wait(WAIT_S)
        assert len(self.ends) == 1
        return self.ends[0]


def submit(loop: EngineLoop[Any], requests: Sequence[Any]) -> tuple[list[Recorder], list[Session[Any]]]:
    """Submit together, so that they share a batch."""
    sinks = [Recorder() for _ in requests]
    return sinks, loop.submit(list(zip(requests, sinks, strict=True)))


def run(model: Model[Any], *requests: Any) -> list[Recorder]:
    """Serve `requests` together by a loop of their own."""
    loop = EngineLoop(model, max_queue=max(32, len(requests)), max_wait_s=WAIT_S)
    sinks, _ = submit(loop, requests)
    for sink in sinks:
        sink.outcome()
    loop.close(WAIT_S)
    return sinks
