"""The frame of the benchmarks for GPUs: arguments, a checkpoint for the run, circumstances, the report.

if __name__ == "__main__":
    run("tts_gpu", __doc__, TTS, bench)
"""

import argparse
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from perf.metrics import Metric, print_report
from perf.report import PROJECT, commit

DEMO = "demo"
console = Console(stderr=True)


@dataclass(frozen=True)
class Checkpoints:
    """What `--model` names: `demo`, a folder that tries the script itself, or one of `models`, made for the run.

    `write(folder, model, dtype, device)` draws random weights of the published shapes on `device`.
    """

    demo: Path
    models: Sequence[str]
    write: Callable[[Path, str, torch.dtype, str], None]


@dataclass(frozen=True)
class Arguments:
    """The command line."""

    model: str
    device: str
    dtype: str

    @property
    def is_trial(self) -> bool:
        return self.model == DEMO

    def settings(self, folder: Path, **others: object) -> dict[str, Any]:
        """For the model's settings: the checkpoint in `folder`, on the device asked for, and what `others` say."""
        return {"checkpoint": str(folder), "device": self.device, "dtype": self.dtype, **others}


def run(
    name: str, description: str, checkpoints: Checkpoints, bench: Callable[[Path, Arguments], Sequence[Metric]]
) -> None:
    """The command: calls `bench` with the checkpoint's folder and prints its metrics."""
    arguments = _parse(description, checkpoints.models)
    with _folder(checkpoints, arguments) as folder:
        console.print("loading, capturing")
        metrics = bench(folder, arguments)
    print_report(name, metrics, circumstances(checkpoints, arguments))


def circumstances(checkpoints: Checkpoints, arguments: Arguments) -> dict[str, object]:
    """What is the same for all metrics."""
    on_gpu = arguments.device.startswith("cuda")
    random_weights = f"random weights, shapes of {arguments.model}"
    return {
        "checkpoint": str(checkpoints.demo.relative_to(PROJECT)) if arguments.is_trial else random_weights,
        "device": torch.cuda.get_device_name(arguments.device) if on_gpu else arguments.device,
        "dtype": arguments.dtype,
        "torch": torch.__version__,
        "cores": os.cpu_count(),
        "commit": commit(),
    }


def _parse(description: str, models: Sequence[str]) -> Arguments:
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--model", choices=[*models, DEMO], default=models[0])
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--dtype", choices=["bfloat16", "float32"], default="bfloat16")
    return Arguments(**vars(parser.parse_args()))


@contextmanager
def _folder(checkpoints: Checkpoints, arguments: Arguments) -> Iterator[Path]:
    """The demo checkpoint, or one with random weights for the length of the with-block."""
    if arguments.is_trial:
        yield checkpoints.demo
        return
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / f"random-{arguments.model}"
        console.print(f"writing {folder}")
        checkpoints.write(folder, arguments.model, getattr(torch, arguments.dtype), arguments.device)
        yield folder
