"""Pictures by diffusers' QwenImagePipeline: one call per request, a progress event per step."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import QwenImagePipeline
from PIL.Image import Image

from qwen_engine.errors import InvalidRequest
from qwen_engine.loop import Model, Session
from qwen_engine.settings import ImageSettings

PIXEL_MULTIPLE = 16  # VAE stride 8 times patch 2


@dataclass(frozen=True)
class ImageRequest:
    """`width`, `height` in pixels; `true_cfg_scale` 1 draws without guidance."""

    prompt: str
    width: int
    height: int
    steps: int
    true_cfg_scale: float
    seed: int = 0
    negative_prompt: str = " "


@dataclass(frozen=True)
class Progress:
    """`step` of `steps` is done."""

    step: int
    steps: int


@dataclass(frozen=True)
class Picture:
    image: Image
    request: ImageRequest


class ReferenceImage(Model[ImageRequest]):
    """A `Model` for the engine loop."""

    max_batch = 1

    def __init__(self, settings: ImageSettings) -> None:
        self._settings = settings
        torch.set_num_threads(settings.num_threads)
        dtype = getattr(torch, settings.dtype)
        self._pipeline = QwenImagePipeline.from_pretrained(settings.checkpoint, dtype=dtype).to(settings.device)
        self._pipeline.set_progress_bar_config(disable=True)

    def check(self, request: ImageRequest) -> None:
        limits = self._settings
        if not request.prompt.strip():
            raise InvalidRequest("PROMPT is empty; describe the picture")
        if len(request.prompt) > limits.max_prompt_chars:
            raise InvalidRequest(f"PROMPT has {len(request.prompt)} characters; the limit is {limits.max_prompt_chars}")
        for name, pixels in (("width", request.width), ("height", request.height)):
            if pixels % PIXEL_MULTIPLE:
                raise InvalidRequest(f"OPTIONS.{name} is {pixels}; allowed: multiples of {PIXEL_MULTIPLE}")
        if request.width * request.height > limits.max_pixels:
            pixels = request.width * request.height
            raise InvalidRequest(
                f"OPTIONS.width x height is {request.width} x {request.height} = {pixels} pixels; "
                f"the limit is {limits.max_pixels}"
            )
        if request.steps > limits.max_steps:
            raise InvalidRequest(f"OPTIONS.steps is {request.steps}; the limit is {limits.max_steps}")

    def step(self, sessions: Sequence[Session[ImageRequest]]) -> bool:
        for session in sessions:
            image = self._draw(session.request, session)
            if session.cancelled:
                session.finish("cancelled")
            else:
                session.emit(Picture(image, session.request))
                session.finish("stop")
        return True

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
