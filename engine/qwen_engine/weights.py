"""A checkpoint's safetensors, read by their published names; what nobody asked for is known too."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import torch
from safetensors import safe_open


class MissingWeight(ValueError):
    """The checkpoint holds no tensor of a name that the model needs."""


class Weights:
    """The tensors of one checkpoint folder, each loaded when it is taken.

    Example:
        weights = Weights(folder, dtype=torch.bfloat16, device="cuda:0")
        talker = weights.below("talker.model.")
        head = weights.take("talker.codec_head.weight")
        weights.unused()  # names of tensors that no part of the model took
    """

    def __init__(self, folder: Path, *, dtype: torch.dtype, device: str) -> None:
        self._dtype = dtype
        self._device = device
        self._files = {file: safe_open(file, framework="pt", device=device) for file in _shards(folder)}
        self._homes = {name: file for file, opened in self._files.items() for name in opened.keys()}  # noqa: SIM118
        self._taken: set[str] = set()

    def __contains__(self, name: str) -> bool:
        return name in self._homes

    def take(self, name: str) -> torch.Tensor:
        """The tensor `name` in the model's dtype, on its device."""
        if name not in self._homes:
            raise MissingWeight(f"the checkpoint has no tensor {name!r}")
        self._taken.add(name)
        return self._files[self._homes[name]].get_tensor(name).to(self._device, self._dtype)

    def fused(self, names: Iterable[str]) -> torch.Tensor:
        """Several matrices stacked along their outputs, so that one product serves them all."""
        return torch.cat([self.take(name) for name in names])

    def below(self, prefix: str) -> "WeightsBelow":
        return WeightsBelow(self, prefix)

    def unused(self) -> list[str]:
        return sorted(set(self._homes) - self._taken)

    def names(self) -> Iterator[str]:
        return iter(self._homes)


class WeightsBelow:
    """A view of `Weights` in which every name starts with a prefix."""

    def __init__(self, weights: Weights, prefix: str) -> None:
        self._weights = weights
        self._prefix = prefix

    def __contains__(self, name: str) -> bool:
        return self._prefix + name in self._weights

    def take(self, name: str) -> torch.Tensor:
        return self._weights.take(self._prefix + name)

    def fused(self, names: Iterable[str]) -> torch.Tensor:
        return self._weights.fused(self._prefix + name for name in names)

    def below(self, prefix: str) -> "WeightsBelow":
        return WeightsBelow(self._weights, self._prefix + prefix)


def _shards(folder: Path) -> list[Path]:
    index = folder / "model.safetensors.index.json"
    if not index.exists():
        return [folder / "model.safetensors"]
    return sorted({folder / name for name in json.loads(index.read_bytes())["weight_map"].values()})
