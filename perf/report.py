"""How results are shown: a table, then one line of JSON a metric."""

import json
import os
import statistics
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from rich.console import Console
from rich.table import Table
from tritonclient.grpc import service_pb2, service_pb2_grpc

from perf.export import Run
from perf.server import admin_key
from qwen_client.channels import channel_options
from qwen_engine.models import MODELS
from qwen_server.admin_key import AdminKey
from qwen_server.errors import ServerError

UNITS = {"_per_s": "requests/s", "_ms": "ms"}
PROJECT = Path(__file__).resolve().parents[1]
TIMEOUT_S = 10


@dataclass(frozen=True)
class Result:
    """The repetitions of one measurement."""

    model: str
    concurrency: int
    runs: tuple[Run, ...]

    def metrics(self) -> dict[str, list[float]]:
        """Each metric's values, one a repetition."""
        each = [run.metrics() for run in self.runs]
        return {name: [values[name] for values in each] for name in each[0]}


def print_table(results: Sequence[Result]) -> None:
    """Medians of the repetitions; p50 / p90 / p99 of the requests of each."""
    table = Table("model", "at once", "requests/s", "spread", "first response, ms", "complete, ms")
    for result in results:
        metrics = result.metrics()
        throughput = metrics["throughput_per_s"]
        spread = f"{min(throughput):.2f} to {max(throughput):.2f}"
        times = (_ranks(metrics, "first_response"), _ranks(metrics, "complete"))
        table.add_row(result.model, str(result.concurrency), f"{statistics.median(throughput):.2f}", spread, *times)
    Console(width=120).print(table)


def json_lines(results: Sequence[Result], facts: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """One line a metric. `facts` by model: what to say of the circumstances (see `circumstances`)."""
    return [
        metric_line(
            "perf_quick",
            f"{result.model}_{name}_c{result.concurrency}",
            values,
            {**facts[result.model], "num_requests": len(result.runs[0].requests)},
        )
        for result in results
        for name, values in result.metrics().items()
    ]


def metric_line(bench: str, metric: str, values: Sequence[float], detail: Mapping[str, Any]) -> str:
    """`values` has one value a repetition: their median is the result. No goal is set for load tests."""
    unit = next(unit for suffix, unit in UNITS.items() if suffix in metric)
    spread = {"repetitions": len(values), "min": round(min(values), 3), "max": round(max(values), 3)}
    line = {"bench": bench, "metric": metric, "value": round(statistics.median(values), 3), "unit": unit}
    return json.dumps({**line, "goal": None, "met": None, "detail": {**spread, **detail}})


def circumstances(url: str, model: str) -> dict[str, Any]:
    """Checkpoint and device (of the server's settings, if its admin key is at hand), cores of this machine, commit."""
    try:
        settings = _settings(url, model, admin_key(url))
    except ServerError:
        settings = {}
    return {
        "checkpoint": _short(settings.get("checkpoint", "unknown")),
        "device": settings.get("device", "unknown"),
        "cores": os.cpu_count(),
        "commit": commit(),
    }


def _settings(url: str, model: str, key: AdminKey) -> Mapping[str, Any]:
    metadata = tuple(key.grpc_metadata.items())
    with grpc.insecure_channel(url, channel_options(url)) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        answer = stub.ModelConfig(service_pb2.ModelConfigRequest(name=model), timeout=TIMEOUT_S, metadata=metadata)
    text = answer.config.parameters["settings"].string_value
    return MODELS[model].settings_type.model_validate_json(text).model_dump() if text else {}


def _short(checkpoint: str) -> str:
    """The folder relative to the project, where it is inside."""
    return checkpoint.removeprefix(f"{PROJECT}/")


def commit() -> str:
    command = ["git", "-C", str(PROJECT), "describe", "--always", "--dirty"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    return done.stdout.strip() or "unknown"


def _ranks(metrics: Mapping[str, list[float]], name: str) -> str:
    values = [values for metric, values in metrics.items() if metric.startswith(name)]
    return " / ".join(f"{statistics.median(repetitions):.0f}" for repetitions in values)
