"""How much memory a forward needs besides the weights, counted without a GPU: on tensors without content."""

import weakref
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class LiveBytes(TorchDispatchMode):
    """Adds up what lives of all that is made inside; `peak` is the most at once."""

    def __init__(self) -> None:
        super().__init__()
        self.live = self.peak = 0
        self._storages: dict[int, weakref.ref[Any]] = {}

    def __torch_dispatch__(
        self, operator: Any, types: Iterable[type], arguments: Any = (), named: Mapping[str, Any] | None = None
    ) -> Any:
        results = operator(*arguments, **(named or {}))
        for tensor in tree_leaves(results):
            if isinstance(tensor, torch.Tensor):
                self._count(tensor.untyped_storage())
        return results

    def _count(self, storage: torch.UntypedStorage) -> None:
        address, size = storage._cdata, storage.nbytes()
        if address in self._storages:
            return  # a view
        self._storages[address] = weakref.ref(storage, lambda _: self._forget(address, size))
        self.live += size
        self.peak = max(self.peak, self.live)

    def _forget(self, address: int, size: int) -> None:
        del self._storages[address]
        self.live -= size


class FusedAttention(TorchFunctionMode):
    """Attention as a GPU's fused kernels compute it: the products of all pairs are never kept."""

    def __torch_function__(
        self, function: Any, types: Iterable[type], arguments: Any = (), named: Mapping[str, Any] | None = None
    ) -> Any:
        if function is torch.nn.functional.scaled_dot_product_attention:
            query = arguments[0] if arguments else (named or {})["query"]
            return torch.empty_like(query)
        return function(*arguments, **(named or {}))


@torch.inference_mode()
def peak_bytes(forward: Callable[[], object]) -> int:
    """The most that lives at once of what `forward` makes, its inputs included."""
    with FusedAttention(), LiveBytes() as counted:
        forward()
    return counted.peak
