"""NVIDIA's perf_analyzer: installed apart from the main environment, and run on one model.

Releases of tritonclient after 2.51.0 carry a binary for newer systems, or none; 2.51.0's runs on Debian 12.
"""

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from perf.export import Run, read_export
from perf.inputs import input_file

PROJECT = Path(__file__).resolve().parents[1]
PACKAGES = PROJECT / ".venv-perf"
REQUIREMENTS = ("tritonclient==2.51.0", "nvidia-cuda-runtime-cu12==12.9.79")
DEBIAN_PACKAGE = "libb64-0d"
BINARY = PACKAGES / "bin" / "perf_analyzer"
CUDA_LIBRARIES = PACKAGES / "nvidia" / "cuda_runtime" / "lib"
TIMEOUT_S = 600


class PerfAnalyzerError(Exception):
    """perf_analyzer could not run or did not end, or one of its requests failed; then the message is its own."""


@dataclass(frozen=True)
class Workload:
    """A model and how it answers."""

    model: str
    streaming: bool


def install() -> None:
    """Have `BINARY` ready to run."""
    subprocess.run([PROJECT / "scripts" / "apt.sh", DEBIAN_PACKAGE], check=True)
    if not (BINARY.exists() and CUDA_LIBRARIES.exists()):
        pip = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        subprocess.run([*pip, "--no-deps", "--upgrade", f"--target={PACKAGES}", *REQUIREMENTS], check=True)


def version() -> str:
    """perf_analyzer's own word, for example "Perf Analyzer Version 2.51.0 (commit unknown)"."""
    return _output("--version").strip()


def run(workload: Workload, url: str, *, concurrency: int, num_requests: int) -> Run:
    """Send `num_requests` (at least `concurrency`), `concurrency` of them at any time, to the gRPC address `url`.

    Raises:
        PerfAnalyzerError: no server there, one request failed, or `TIMEOUT_S` is over.
    """
    with tempfile.TemporaryDirectory() as folder:
        export = Path(folder) / "export.json"
        _output(
            *("-m", workload.model, "-u", url, "-i", "grpc", "--async"),
            *(["--streaming"] if workload.streaming else []),
            *("--input-data", str(input_file(workload.model))),
            *("--concurrency-range", str(concurrency), "--request-count", str(num_requests)),
            *("--profile-export-file", str(export)),
        )
        return read_export(export)


def _output(*arguments: str) -> str:
    environment = {**os.environ, "LD_LIBRARY_PATH": str(CUDA_LIBRARIES)}
    command = [str(BINARY), *arguments]
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise PerfAnalyzerError(f"perf_analyzer did not end within {TIMEOUT_S} s") from error
    if done.returncode:
        raise PerfAnalyzerError(_complaint(done.stdout + done.stderr))
    return done.stdout + done.stderr


def _complaint(output: str) -> str:
    """The lines that tell of an error: after a wrong option, perf_analyzer prints its whole manual."""
    lines = [line.strip() for line in output.splitlines()]
    return " / ".join([line for line in lines if "error" in line.lower()][:3] or lines[-3:])
