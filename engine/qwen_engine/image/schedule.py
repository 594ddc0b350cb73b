"""When a picture's steps are taken: each has a scheduler of its own, set as the pipelines set theirs."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from diffusers.pipelines.qwenimage.pipeline_qwenimage import calculate_shift

from qwen_engine.image.canvas import Shape
from qwen_engine.image.limits import skipped_steps
from qwen_engine.image.request import ResolvedRequest
from qwen_engine.settings import ImageSettings

# The scheduler that Lightning's LoRAs were distilled with, where it differs from the checkpoints'.
LIGHTNING = {"base_shift": math.log(3), "max_shift": math.log(3), "shift_terminal": None}


def begun_scheduler(
    config: Mapping[str, Any], request: ResolvedRequest, settings: ImageSettings, shape: Shape, device: torch.device
) -> tuple[FlowMatchEulerDiscreteScheduler, torch.Tensor]:
    """A scheduler of the checkpoint's `config`, and the timesteps (steps,) that a resolved request goes through."""
    preset = settings.presets.get(request.preset) if request.preset else None
    changes = LIGHTNING if preset is not None and preset.scheduler == "lightning" else {}
    scheduler = FlowMatchEulerDiscreteScheduler.from_config({**config, **changes})
    shift = calculate_shift(
        math.prod(shape),
        scheduler.config.base_image_seq_len,
        scheduler.config.max_image_seq_len,
        scheduler.config.base_shift,
        scheduler.config.max_shift,
    )
    sigmas = np.linspace(1.0, 1 / request.steps, request.steps)
    scheduler.set_timesteps(sigmas=sigmas, device=device, mu=shift)
    first = skipped_steps(request.steps, request.strength)
    scheduler.set_begin_index(first)
    return scheduler, scheduler.timesteps[first:]
