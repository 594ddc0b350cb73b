"""The engine in this process, without Triton, at a fixed concurrency: the table of the technical report."""

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from perf.metrics import Goal, Metric
from qwen_engine.asr.request import AsrRequest
from qwen_engine.loop import EngineLoop
from qwen_wire.errors import QwenError
from qwen_wire.messages import FinishReason

WAIT_S = 600


@dataclass(frozen=True)
class LoadResult:
    """`at_once` requests under way: how long it all took, and until each one's first token."""

    at_once: int
    audio_s: float
    elapsed_s: float
    first_tokens_s: Sequence[float]

    def metric(self, goal: Goal | None = None) -> Metric:
        """Seconds of audio transcribed in a second; `real_time_factor` is that of one request, as reports have it."""
        throughput = self.audio_s / self.elapsed_s
        first_ms = [1000 * first_s for first_s in self.first_tokens_s]
        detail = {
            "requests": len(first_ms),
            "real_time_factor": round(self.at_once / throughput, 5),
            "first_token_ms": round(float(np.mean(first_ms)), 1),
            "first_token_p95_ms": round(float(np.percentile(first_ms, 95)), 1),
        }
        return Metric(f"audio_s_per_s_c{self.at_once}", throughput, "audio s/s", goal, detail)


class _Sink:
    """Sends the next request when its own has ended."""

    def __init__(self, work: "_Work") -> None:
        self._work = work

    def emit(self, event: Any) -> None:
        pass

    def end(self, reason: FinishReason, closing: dict[str, Any]) -> None:
        self._work.ended(closing.get("first_token_s"))

    def fail(self, error: QwenError) -> None:
        self._work.failed(error)

    def is_disconnected(self) -> bool:
        return False


class _Work:
    def __init__(self, loop: EngineLoop[AsrRequest], requests: Sequence[AsrRequest]) -> None:
        self._loop = loop
        self._left: Iterator[AsrRequest] = iter(requests)
        self._num_left = len(requests)
        self._error: QwenError | None = None
        self._done = threading.Event()
        self.first_tokens_s: list[float] = []

    def run(self, at_once: int) -> None:
        first = [request for _, request in zip(range(at_once), self._left, strict=False)]
        self._loop.submit([(request, _Sink(self)) for request in first])
        assert self._done.wait(WAIT_S), "the engine did not finish within the time limit of the benchmark"
        if self._error is not None:
            raise self._error

    def ended(self, first_token_s: float | None) -> None:
        if first_token_s is not None:
            self.first_tokens_s.append(first_token_s)
        self._num_left -= 1
        if (request := next(self._left, None)) is not None:
            self._loop.submit([(request, _Sink(self))])
        elif not self._num_left:
            self._done.set()

    def failed(self, error: QwenError) -> None:
        self._error = error
        self._done.set()


def run_load(loop: EngineLoop[AsrRequest], requests: Sequence[AsrRequest], at_once: int) -> LoadResult:
    """All `requests`, `at_once` of them always under way."""
    work = _Work(loop, requests)
    begin_s = time.perf_counter()
    work.run(at_once)
    elapsed_s = time.perf_counter() - begin_s
    return LoadResult(at_once, sum(request.duration_s for request in requests), elapsed_s, work.first_tokens_s)
