"""A few minutes of load on one model after another: `python -m perf.quick [--url HOST:PORT]` (`make perf-quick`)."""

import sys
from collections.abc import Iterator

from perf import perf_analyzer
from perf.perf_analyzer import PerfAnalyzerError, Workload
from perf.report import Result, circumstances, json_lines, print_table
from perf.server import console, parse_url, server_at
from qwen_server.errors import ServerError
from qwen_wire.tensors import MODELS

# Live captions have a benchmark of their own, perf/asr/live.py: their requests come in the speaker's time.
WORKLOADS = tuple(Workload(model.name, model.decoupled) for model in MODELS if not model.sequences)
NUM_REQUESTS = {1: 6, 4: 16}  # by concurrency
REPETITIONS = 3


def main() -> None:
    url = parse_url("perf_analyzer on each model")
    perf_analyzer.install()
    console.print(perf_analyzer.version())
    with server_at(url) as address:
        results = [result for workload in WORKLOADS for result in measure(workload, address)]
        facts = {workload.model: circumstances(address, workload.model) for workload in WORKLOADS}
    print_table(results)
    print("\n".join(json_lines(results, facts)))


def measure(workload: Workload, url: str) -> Iterator[Result]:
    """One result a concurrency, after some requests that do not count."""
    most = max(NUM_REQUESTS)
    perf_analyzer.run(workload, url, concurrency=most, num_requests=most)
    for concurrency, num_requests in NUM_REQUESTS.items():
        console.print(f"{workload.model}: {REPETITIONS} x {num_requests} requests, {concurrency} at once")
        runs = [
            perf_analyzer.run(workload, url, concurrency=concurrency, num_requests=num_requests)
            for _ in range(REPETITIONS)
        ]
        yield Result(workload.model, concurrency, tuple(runs))


if __name__ == "__main__":
    try:
        main()
    except (PerfAnalyzerError, ServerError) as error:
        sys.exit(f"error: {error}")
