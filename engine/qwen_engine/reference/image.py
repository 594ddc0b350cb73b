"""Pictures by diffusers' QwenImagePipeline: one call per request, a progress event per step."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from diffusers import QwenImagePipeline
from PIL.Image import Image

from qwen_engine.errors import InvalidRequest
from qwen_engine.loop import Session
from qwen_engine.settings import ImageSettings

PIXEL_MULTIPLE = 16  # VAE stride 8 times patch 2


@dataclass(frozen=True)
class ImageRequest:
    """`width`, `height` in pixels; what is None is taken from the settings."""

    prompt: str
    width: int | None = None
    height: int | None = None
    steps: int | None = None
    seed: int = 0
    negative_prompt: str = " "
    true_cfg_scale: float | None = None


@dataclass(frozen=True)
class Progress:
    """`step` of `steps` is done."""

    step: int
    steps: int


@dataclass(frozen=True)
class Picture:
    image: Image
    request: ImageRequest


class ReferenceImage:
    """A `Model` for the engine loop."""

    max_batch = 1

    def __init__(self, settings: ImageSettings) -> None:
        self._settings = settings
        dtype = getattr(torch, settings.dtype)
        self._pipeline = QwenImagePipeline.from_pretrained(settings.checkpoint, torch_dtype=dtype).to(settings.device)
        self._pipeline.set_progress_bar_config(disable=True)

    def check(self, request: ImageRequest) -> None:
        limits = self._settings
        if not request.prompt.strip():
            raise InvalidRequest("PROMPT is empty; describe the picture")
        if len(request.prompt) > limits.max_prompt_chars:
            raise InvalidRequest(f"PROMPT has {len(request.prompt)} characters; the limit is {limits.max_prompt_chars}")
        full = self._complete(request)
        for name, pixels in (("width", full.width), ("height", full.height)):
            if pixels % PIXEL_MULTIPLE:
                raise InvalidRequest(f"OPTIONS.{name} is {pixels}; allowed: multiples of {PIXEL_MULTIPLE}")
        if full.width * full.height > limits.max_pixels:
            pixels = full.width * full.height
            raise InvalidRequest(
                f"OPTIONS.width x height is {full.width} x {full.height} = {pixels} pixels; "
                f"the limit is {limits.max_pixels}"
            )
        if full.steps > limits.max_steps:
            raise InvalidRequest(f"OPTIONS.steps is {full.steps}; the limit is {limits.max_steps}")

    def step(self, sessions: Sequence[Session[ImageRequest]]) -> None:
        for session in sessions:
            request = self._complete(session.request)
            image = self._draw(request, session)
            if session.cancelled:
                session.finish("cancelled")
            else:
                session.emit(Picture(image, request))
                session.finish("stop")

    def _complete(self, request: ImageRequest) -> ImageRequest:
        """Fill in the settings' values."""
        names = ("width", "height", "steps", "true_cfg_scale")
        open_names = [name for name in names if getattr(request, name) is None]
        return replace(request, **{name: getattr(self._settings, name) for name in open_names})

    @torch.inference_mode()
    def _draw(self, request: ImageRequest, session: Session[ImageRequest]) -> Image:
        def on_step_end(pipeline: Any, step: int, _timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
            session.emit(Progress(step + 1, request.steps))
            pipeline._interrupt = session.cancelled
            return tensors

        guided = request.true_cfg_scale > 1  # guidance runs only with a negative prompt, " " at least
        return self._pipeline(
            prompt=request.prompt,
            negative_prompt=request.negative_prompt if guided else None,
            true_cfg_scale=request.true_cfg_scale,
            width=request.width,
            height=request.height,
            num_inference_steps=request.steps,
            generator=torch.Generator("cpu").manual_seed(request.seed),
            callback_on_step_end=on_step_end,
        ).images[0]
