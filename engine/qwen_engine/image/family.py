"""The seam between the engine and a family of checkpoints: the engine knows steps, rows and turns, and no model.

A family turns a request into canvases, one a picture, and moves them on; docs/image-engine.md says how to add one.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol

import torch
from PIL.Image import Image

from qwen_engine.image.denoising_state import DenoisingState
from qwen_engine.image.request import ImageRequest, ResolvedRequest


class Family(Protocol):
    """What depends on the model.

    `resolve` is called on any thread, `together`, `begin` and `decode` on that of the background tasks, `predict` and
    `preview` on the device's, at the same time.
    """

    def resolve(self, request: ImageRequest) -> ResolvedRequest:
        """Fill in what the request leaves open.

        Raises:
            InvalidRequest: what these checkpoints or the profile's limits cannot serve.
        """
        ...

    def together(self, requests: Sequence[ResolvedRequest]) -> AbstractContextManager[None]:
        """Within it these requests are begun: what they have in common may be done at once."""
        ...

    def begin(self, request: ResolvedRequest) -> Sequence[DenoisingState]:
        """Encode prompts and pictures: a canvas for each picture that is to be drawn."""
        ...

    def predict(self, states: Sequence[DenoisingState]) -> Sequence[torch.Tensor]:
        """One denoising step's forward for canvases of one key: for each its velocity (1, tokens, channels)."""
        ...

    def preview(self, state: DenoisingState, velocity: torch.Tensor) -> Image:
        """The picture as it looks from here, an eighth as wide and high."""
        ...

    def decode(self, states: Sequence[DenoisingState]) -> Sequence[Image]:
        """The finished pictures; several are of one size and none was drawn alone."""
        ...
