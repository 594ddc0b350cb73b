"""The seam between the engine and a family of checkpoints: the engine knows steps, rows and turns, and no model.

A family turns a request into canvases, one a picture, and moves them on; docs/image-engine.md says how to add one.
"""

from collections.abc import Generator, Sequence
from typing import Protocol, TypeAlias

import torch
from PIL.Image import Image

from qwen_engine.image.canvas import Canvas
from qwen_engine.image.request import ImageRequest, ResolvedRequest

Preparation: TypeAlias = Generator[float, None, list[Canvas]]


class Family(Protocol):
    """What depends on the model. `resolve` is called on any thread, the rest on the device's."""

    def resolve(self, request: ImageRequest) -> ResolvedRequest:
        """Fill in what the request leaves open.

        Raises:
            InvalidRequest: what these checkpoints or the profile's limits cannot serve.
        """
        ...

    def begin(self, request: ResolvedRequest) -> Preparation:
        """Prepare a resolved request bit by bit, so that others can go on in between.

        Yields the cost of the bit that comes next (a picture through the VAE costs 1), returns the canvases.
        """
        ...

    def predict(self, canvases: Sequence[Canvas]) -> Sequence[torch.Tensor]:
        """One denoising step's forward for canvases of one key: for each its velocity (1, tokens, channels)."""
        ...

    def decode(self, canvas: Canvas) -> Image:
        """The finished picture."""
        ...

    def preview(self, canvas: Canvas, velocity: torch.Tensor) -> Image:
        """The picture as it looks from here, an eighth as wide and high."""
        ...
