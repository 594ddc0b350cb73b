"""A denoising step of the engine and of diffusers' pipeline on the same weights; the transformer's forward alone."""

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from diffusers.models.transformers.transformer_qwenimage import QwenDoubleStreamAttnProcessor2_0

from perf.gpu.frame_step import timed_ms, wait_for
from qwen_engine.graphs import Capture
from qwen_engine.image.request import ImageRequest, Progress
from qwen_engine.loop import EngineLoop
from qwen_wire.errors import QwenError
from qwen_wire.messages import FinishReason

WAIT_S = 600
PROMPT = "a small red circle on a blue background"
PROMPT_TOKENS = 128  # of the forward alone


class Stopwatch:
    """The sink of one request; `steps_s`: when its first picture's steps were through on the device."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._ended = threading.Event()
        self._error: QwenError | None = None
        self.steps_s: list[float] = []

    def emit(self, event: Any) -> None:
        if isinstance(event, Progress) and event.picture == 0:
            wait_for(self._device)
            self.steps_s.append(time.perf_counter())

    def end(self, reason: FinishReason, closing: dict[str, Any]) -> None:
        self._ended.set()

    def fail(self, error: QwenError) -> None:
        self._error = error
        self._ended.set()

    def is_disconnected(self) -> bool:
        return False

    def steps_ms(self) -> list[float]:
        """What each step but the first took."""
        assert self._ended.wait(WAIT_S), "the engine is slower than the benchmark's patience"
        if self._error is not None:
            raise self._error
        return _steps_ms(self.steps_s)


def engine_steps_ms(
    loop: EngineLoop[ImageRequest], device: torch.device, *, side_px: int, steps: int, num_pictures: int = 1
) -> list[float]:
    """Steps of `num_pictures` at once, without guidance."""
    watch = Stopwatch(device)
    request = ImageRequest(
        PROMPT, width=side_px, height=side_px, steps=steps, num_images=num_pictures, true_cfg_scale=1.0
    )
    loop.submit([(request, watch)])
    return watch.steps_ms()


@torch.inference_mode()
def pipeline_steps_ms(pipeline: Any, device: torch.device, *, side_px: int, steps: int) -> list[float]:
    """The same by the pipeline, with upstream's attention."""
    steps_s: list[float] = []

    def on_step_end(_: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        wait_for(device)
        steps_s.append(time.perf_counter())
        return tensors

    pipeline.set_progress_bar_config(disable=True)
    with upstream_attention(pipeline.transformer):
        pipeline(
            PROMPT,
            true_cfg_scale=1.0,
            width=side_px,
            height=side_px,
            num_inference_steps=steps,
            generator=torch.Generator("cpu").manual_seed(0),
            callback_on_step_end=on_step_end,
        )
    return _steps_ms(steps_s)


@contextmanager
def upstream_attention(transformer: Any) -> Iterator[None]:
    """The engine gives the transformer an attention of its own."""
    ours = transformer.attn_processors
    transformer.set_attn_processor(QwenDoubleStreamAttnProcessor2_0())
    try:
        yield
    finally:
        transformer.set_attn_processor(ours)


@torch.inference_mode()
def forward_ms(transformer: Any, *, side_px: int, num_pictures: int, count: int, capture: Capture) -> list[float]:
    """The transformer's forward with the attention it has; `capture` makes a graph of it, or leaves it as it is."""
    device, dtype = transformer.device, transformer.dtype
    side = side_px // 16
    tokens = torch.randn(num_pictures, side * side, transformer.config.in_channels, device=device).to(dtype)
    width = transformer.config.joint_attention_dim
    prompts = torch.randn(num_pictures, PROMPT_TOKENS, width, device=device).to(dtype)
    times = torch.full((num_pictures,), 0.5, device=device, dtype=dtype)
    shapes = [[(1, side, side)]] * num_pictures
    forward = capture(
        lambda: transformer(tokens, prompts, timestep=times, img_shapes=shapes, return_dict=False) and None
    )

    def step() -> None:
        forward()
        wait_for(device)

    return timed_ms(step, count)


def alternating(count: int, *sides: Callable[[], float]) -> list[list[float]]:
    """Each of `sides`, `count` times by turns."""
    each = [[side() for side in sides] for _ in range(count)]
    return [list(values) for values in zip(*each, strict=True)]


def _steps_ms(ends_s: list[float]) -> list[float]:
    return [1000 * (end - begin) for begin, end in itertools.pairwise(ends_s)]
