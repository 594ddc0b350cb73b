"""A number of listeners at any time, straight at the engine's loop: the next one starts when one has ended."""

import itertools
import queue
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from qwen_engine.loop import EngineLoop
from qwen_engine.tts.request import Speak
from qwen_wire.errors import QwenError
from qwen_wire.messages import FinishReason

STAGGER_S = 2.0  # in which the first of them arrive
TIMEOUT_S = 60


@dataclass(frozen=True)
class Playback:
    """One playback; `underrun_s`: for so long a player that starts at the first chunk had nothing to play."""

    arrived_s: float
    until_first_audio_s: float
    underrun_s: float
    audio_s: float


class Listener:
    """The sink of one request."""

    def __init__(self, ended: "queue.Queue[Playback | QwenError]") -> None:
        self._ended = ended
        self._arrived_s = time.perf_counter()
        self._first_s: float | None = None

    def emit(self, event: Any) -> None:
        self._first_s = self._first_s or time.perf_counter()

    def end(self, reason: FinishReason, closing: dict[str, Any]) -> None:
        first_s = self._first_s or time.perf_counter()
        heard = Playback(self._arrived_s, first_s - self._arrived_s, closing["underrun_s"], closing["audio_s"])
        self._ended.put(heard)

    def fail(self, error: QwenError) -> None:
        self._ended.put(error)

    def is_disconnected(self) -> bool:
        return False


def run_listeners(
    loop: EngineLoop[Speak], requests: Sequence[Speak], *, num_listeners: int, num_playbacks: int
) -> list[Playback]:
    """`num_playbacks` playbacks, `num_listeners` of them at any time (but at the end); raises the error of one that
    failed."""
    ended: queue.Queue[Playback | QwenError] = queue.Queue()
    coming = itertools.islice(itertools.cycle(requests), num_playbacks)
    for request in itertools.islice(coming, num_listeners):
        loop.submit([(request, Listener(ended))])
        time.sleep(STAGGER_S / num_listeners)
    return list(_replaced(loop, coming, ended, num_playbacks))


def _replaced(
    loop: EngineLoop[Speak],
    coming: Iterator[Speak],
    ended: "queue.Queue[Playback | QwenError]",
    num_playbacks: int,
) -> Iterator[Playback]:
    for _ in range(num_playbacks):
        one = ended.get(timeout=TIMEOUT_S)
        if isinstance(one, QwenError):
            raise one
        for request in itertools.islice(coming, 1):
            loop.submit([(request, Listener(ended))])
        yield one
