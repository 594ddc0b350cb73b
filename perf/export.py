"""perf_analyzer's profile export: when each request was sent and each of its responses came.

perf_analyzer's own throughput is not used: with --request-count its window is rounded up to whole seconds.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

PERCENTILES = (50, 90, 99)
NS_PER_MS = 1e6
NS_PER_S = 1e9


@dataclass(frozen=True)
class Request:
    """Times of one request, in nanoseconds of the same clock."""

    sent_ns: int
    responses_ns: tuple[int, ...]

    @property
    def first_ms(self) -> float:
        return (self.responses_ns[0] - self.sent_ns) / NS_PER_MS

    @property
    def complete_ms(self) -> float:
        return (self.responses_ns[-1] - self.sent_ns) / NS_PER_MS


@dataclass(frozen=True)
class Run:
    """One run of perf_analyzer at one concurrency."""

    concurrency: int
    requests: tuple[Request, ...]

    @property
    def throughput_per_s(self) -> float:
        """Requests completed per second, from the first one sent to the last one complete."""
        begin_ns = min(request.sent_ns for request in self.requests)
        end_ns = max(request.responses_ns[-1] for request in self.requests)
        return len(self.requests) / ((end_ns - begin_ns) / NS_PER_S)

    @property
    def streams(self) -> bool:
        return any(len(request.responses_ns) > 1 for request in self.requests)

    def metrics(self) -> dict[str, float]:
        """Everything measured; names end in the unit. Times to the first response only where more than one came."""
        found = {"throughput_per_s": self.throughput_per_s}
        if self.streams:
            found |= _percentiles("first_response", [request.first_ms for request in self.requests])
        return found | _percentiles("complete", [request.complete_ms for request in self.requests])


def read_export(file: Path) -> Run:
    """Read the export of a run at one concurrency.

    Payloads stand in its strings as they came, audio and pictures too: it is seldom UTF-8.
    """
    document = json.loads(file.read_bytes().decode(errors="replace"))
    (experiment,) = document["experiments"]
    requests = tuple(
        Request(request["timestamp"], tuple(request["response_timestamps"])) for request in experiment["requests"]
    )
    return Run(experiment["experiment"]["value"], requests)


def _percentiles(name: str, values_ms: list[float]) -> dict[str, float]:
    return {f"{name}_p{rank}_ms": float(np.percentile(values_ms, rank)) for rank in PERCENTILES}
