"""Stands in for CUDA's capture on a CPU, and is as strict.

`record` repeats the operators of one call, so that a number that Python worked out in that call stays as it was, and a
look at a tensor's values fails.
"""

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from qwen_engine.graphs import Run

HOST_VALUES = ("_local_scalar_dense", "lift_fresh", "nonzero", "is_nonzero")


class Recording(TorchDispatchMode):
    """Keeps every operator with its arguments and results."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple] = []

    def __torch_dispatch__(self, operator, types, arguments=(), named=None):
        name = operator.overloadpacket.__name__
        assert name not in HOST_VALUES, f"{name} needs the host"
        results = operator(*arguments, **(named or {}))
        self.calls.append((operator, arguments, named or {}, results))
        return results

    @torch.inference_mode()
    def repeat(self) -> None:
        for operator, arguments, named, results in self.calls:
            again = operator(*arguments, **named)
            for old, new in zip(tensors(results), tensors(again), strict=True):
                if old.data_ptr() != new.data_ptr():  # else a view, or written in place
                    old.copy_(new)


def tensors(results) -> list[torch.Tensor]:
    several = results if isinstance(results, (tuple, list)) else [results]
    return [one for one in several if isinstance(one, torch.Tensor)]


def record(run: Run) -> Run:
    with Recording() as recording:
        run()
    return recording.repeat
