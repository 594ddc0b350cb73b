"""The family Qwen-Image 1.x: Qwen-Image, -2512, Edit, Edit-2509 and -2511, with or without Lightning."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import torch
from PIL.Image import Image

from qwen_engine.image.checkpoint import ImageCheckpoint
from qwen_engine.image.denoising_state import DenoisingState
from qwen_engine.image.limits import resolve
from qwen_engine.image.pipeline import Pipeline
from qwen_engine.image.request import ImageRequest, ResolvedRequest
from qwen_engine.image.settings import ImageSettings
from qwen_wire.errors import InvalidRequest


class QwenImageFamily:
    """A `Family`: the base checkpoint, and the edit checkpoint where the profile names one."""

    def __init__(self, settings: ImageSettings) -> None:
        self._settings = settings
        base = ImageCheckpoint(Path(settings.checkpoint), settings)
        if base.layout != "text":
            raise ValueError(f"{base.folder} is an edit checkpoint; name it as edit_checkpoint, beside a base one")
        self._base = Pipeline(base, settings)
        self._edit: Pipeline | None = None
        if settings.edit_checkpoint is not None:
            edit = ImageCheckpoint(Path(settings.edit_checkpoint), settings, other=base)
            if edit.layout == "text":
                raise ValueError(f"{edit.folder} is no edit checkpoint: its pipeline class is a base checkpoint's")
            self._edit = Pipeline(edit, settings)

    def resolve(self, request: ImageRequest) -> ResolvedRequest:
        return resolve(request, self._settings, self._pipeline(request.task == "edit").capabilities)

    def together(self, requests: Sequence[ResolvedRequest]) -> AbstractContextManager[None]:
        """Prompts with pictures are still encoded one by one."""
        return self._base.together([request for request in requests if request.task != "edit"])

    def begin(self, request: ResolvedRequest) -> Sequence[DenoisingState]:
        return self._pipeline(request.task == "edit").begin(request)

    def predict(self, states: Sequence[DenoisingState]) -> Sequence[torch.Tensor]:
        return self._pipeline(states[0].key.edits).predict(states)

    def decode(self, states: Sequence[DenoisingState]) -> Sequence[Image]:
        return self._pipeline(states[0].key.edits).decode(states)

    def preview(self, state: DenoisingState, velocity: torch.Tensor) -> Image:
        return self._pipeline(state.key.edits).preview(state, velocity)

    def _pipeline(self, edits: bool) -> Pipeline:
        if not edits:
            return self._base
        if self._edit is None:
            raise InvalidRequest(
                "OPTIONS.task is 'edit', but this server has no edit checkpoint; allowed: generate, vary, inpaint"
            )
        return self._edit
