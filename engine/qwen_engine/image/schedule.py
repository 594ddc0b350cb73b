"""Noise schedules: a scheduler for each picture, set as in the pipelines."""

import copy
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from diffusers.pipelines.qwenimage.pipeline_qwenimage import calculate_shift

from qwen_engine.image.denoising_state import Shape
from qwen_engine.image.limits import skipped_steps
from qwen_engine.image.request import ResolvedRequest
from qwen_engine.image.settings import ImageSettings

# The scheduler that Lightning's LoRAs were distilled with, where it differs from the checkpoints'.
LIGHTNING = {"base_shift": math.log(3), "max_shift": math.log(3), "shift_terminal": None}


class Schedules:
    """The schedulers of a checkpoint, of its own `config` and as Lightning's."""

    def __init__(self, config: Mapping[str, Any], settings: ImageSettings, device: torch.device) -> None:
        self._presets = settings.presets
        self._device = device
        self._plain = FlowMatchEulerDiscreteScheduler.from_config(config)
        self._lightning = FlowMatchEulerDiscreteScheduler.from_config({**config, **LIGHTNING})
        self.min_steps = 2 if config["shift_terminal"] else 1  # `shift_terminal` needs two sigmas

    def begun(self, request: ResolvedRequest, shape: Shape) -> tuple[FlowMatchEulerDiscreteScheduler, torch.Tensor]:
        """A picture's own scheduler, and its timesteps (steps,)."""
        preset = self._presets.get(request.preset) if request.preset else None
        scheduler = self._lightning if preset is not None and preset.scheduler == "lightning" else self._plain
        scheduler = copy.copy(scheduler)  # a new one takes a millisecond
        shift = calculate_shift(
            math.prod(shape),
            scheduler.config.base_image_seq_len,
            scheduler.config.max_image_seq_len,
            scheduler.config.base_shift,
            scheduler.config.max_shift,
        )
        sigmas = np.linspace(1.0, 1 / request.steps, request.steps)
        scheduler.set_timesteps(sigmas=sigmas, device=self._device, mu=shift)
        first = skipped_steps(request.steps, request.strength)
        scheduler.set_begin_index(first)
        return scheduler, scheduler.timesteps[first:]
