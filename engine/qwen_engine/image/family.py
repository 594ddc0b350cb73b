"""The interface between the engine, which knows steps and rows but no model, and a family of checkpoints.

A family turns a request into denoising states, one a picture, and advances them; see docs/image-engine.md to add one.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol

import torch
from PIL.Image import Image

from qwen_engine.image.denoising_state import DenoisingState
from qwen_engine.image.request import ImageRequest, ResolvedRequest


class Family(Protocol):
    """The parts that depend on the model.

    `resolve` is called on any thread, `together`, `begin` and `decode` on that of the background tasks, `predict` and
    `preview` on the device's, at the same time.
    """

    def resolve(self, request: ImageRequest) -> ResolvedRequest:
        """Fill in the defaults.

        Raises:
            InvalidRequest: what these checkpoints or the profile's limits cannot serve.
        """
        ...

    def together(self, requests: Sequence[ResolvedRequest]) -> AbstractContextManager[None]:
        """A context in which these requests are begun: their prompts may share a forward."""
        ...

    def begin(self, request: ResolvedRequest) -> Sequence[DenoisingState]:
        """Encode prompts and pictures: a state for each picture."""
        ...

    def predict(self, states: Sequence[DenoisingState]) -> Sequence[torch.Tensor]:
        """One denoising step's forward for states of one key: a velocity (1, tokens, channels) for each."""
        ...

    def preview(self, state: DenoisingState, velocity: torch.Tensor) -> Image:
        """The estimate of the picture, an eighth as wide and high."""
        ...

    def decode(self, states: Sequence[DenoisingState]) -> Sequence[Image]:
        """The finished pictures; several states have one decode key."""
        ...
