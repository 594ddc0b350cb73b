"""CUDA graphs: a step of small kernels takes longer to launch one by one than to run.

A graph repeats the same kernels on the same addresses, so there is one for each size (a bucket), and its inputs are
copied into buffers. Nothing is captured while serving.
"""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import torch

Run: TypeAlias = Callable[[], None]
Capture: TypeAlias = Callable[[Run], Run]

NUM_WARM_UPS = 2  # libraries choose kernels and allocate workspaces in the first calls


class CudaCapture:
    """Makes graphs that share one pool of memory: they may only run one after another, on one stream."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._pool = torch.cuda.graph_pool_handle()

    def __call__(self, run: Run) -> Run:
        with torch.cuda.device(self._device):
            return self._captured(run)

    def _captured(self, run: Run) -> Run:
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(NUM_WARM_UPS):
                run()
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
            run()
        replay: Run = graph.replay
        return replay


def cuda_capture(device: str) -> Capture | None:
    """How graphs are made on `device`; None where there are none."""
    return CudaCapture(torch.device(device)) if device.startswith("cuda") else None


def to_device(values: torch.Tensor, device: torch.device) -> torch.Tensor:
    """`values` of the host on `device`, without waiting for what runs there."""
    if device.type != "cuda":
        return values
    return values.pin_memory().to(device, non_blocking=True)


def bucket_sizes(first: int, last: int) -> list[int]:
    """`first`, its doubles below `last`, and `last`: the sizes that graphs are made for."""
    sizes = []
    while first < last:
        sizes.append(first)
        first *= 2
    return [*sizes, last]


def bucket(sizes: Sequence[int], needed: int) -> int:
    """The smallest of the ascending `sizes` that holds `needed`."""
    return next(size for size in sizes if size >= needed)
