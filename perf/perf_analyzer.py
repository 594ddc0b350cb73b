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
from perf.server import admin_key
from qwen_client.channels import is_local
from qwen_server import hidden_arguments

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
    done = subprocess.run([BINARY, "--version"], env=_environment(), capture_output=True, text=True, check=True)
    return (done.stdout + done.stderr).strip()


def run(workload: Workload, url: str, *, concurrency: int, num_requests: int) -> Run:
    """Send `num_requests` (at least `concurrency`), `concurrency` of them at any time, to the gRPC address `url`.

    Raises:
        PerfAnalyzerError: no server there, one request failed, or `TIMEOUT_S` is over.
        ServerError: the server's admin key is not there, and perf_analyzer asks for what needs it.
    """
    key = admin_key(url)
    headers = [argument for header in key.grpc_metadata.items() for argument in ("-H", ":".join(header))]
    with tempfile.TemporaryDirectory() as folder:
        export = Path(folder) / "export.json"
        _output(
            *("-m", workload.model, "-u", url, "-i", "grpc", "--async", *headers),
            *(["--streaming"] if workload.streaming else []),
            *("--input-data", str(input_file(workload.model))),
            *("--concurrency-range", str(concurrency), "--request-count", str(num_requests)),
            *("--profile-export-file", str(export)),
            secret=key.secret,
            direct=is_local(url),
        )
        return read_export(export)


def _output(*arguments: str, secret: str, direct: bool) -> str:
    """What it prints. `secret` is kept out of the process list; `direct`: by no proxy of the environment."""
    command, environment = [str(BINARY), *arguments], _environment(direct)
    with hidden_arguments.popen(
        command, secret, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        try:
            printed = process.communicate(timeout=TIMEOUT_S)[0].decode()
        except subprocess.TimeoutExpired as error:
            process.kill()
            raise PerfAnalyzerError(f"perf_analyzer did not end within {TIMEOUT_S} s") from error
    if process.returncode:
        raise PerfAnalyzerError(_complaint(printed))
    return printed


def _environment(direct: bool = True) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not (direct and name.lower().endswith("_proxy"))}
    return {**kept, "LD_LIBRARY_PATH": str(CUDA_LIBRARIES)}


def _complaint(output: str) -> str:
    """The lines that tell of an error: after a wrong option, perf_analyzer prints its whole manual."""
    lines = [line.strip() for line in output.splitlines()]
    return " / ".join([line for line in lines if "error" in line.lower()][:3] or lines[-3:])
