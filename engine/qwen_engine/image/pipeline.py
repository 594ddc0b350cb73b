"""One checkpoint: requests to denoising states, steps of states, and finished states to pictures."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from diffusers.utils.torch_utils import randn_tensor
from PIL import Image

from qwen_engine.image.checkpoint import ImageCheckpoint
from qwen_engine.image.denoiser import Denoiser
from qwen_engine.image.denoising_state import DenoisingKey, DenoisingState, Mask, PreservedPixels, Shape
from qwen_engine.image.latents import LatentSpace, pack, unpack
from qwen_engine.image.limits import REFERENCE_MULTIPLE, Capabilities, scaled
from qwen_engine.image.loras import Loras, lora_names
from qwen_engine.image.preview import load_preview_map
from qwen_engine.image.prompts import PromptEncoder
from qwen_engine.image.request import ResolvedRequest
from qwen_engine.image.schedule import Schedules
from qwen_engine.image.settings import ImageSettings
from qwen_engine.seeds import following_seed

BINARY = [0] * 128 + [255] * 128  # as diffusers' `VaeImageProcessor.binarize`
CONDITION_PIXELS = 384 * 384  # of a picture in the text encoder of an edit-plus checkpoint


@dataclass(frozen=True, eq=False)
class EncodedInputs:
    """A request's pictures, encoded. `references` (1, tokens, channels) with their `shapes`; `original`: the
    distribution of the latents that are varied, or preserved outside the `mask`."""

    references: torch.Tensor | None
    shapes: tuple[Shape, ...]
    original: Any
    mask: Mask | None


class Pipeline:
    """A base or an edit checkpoint with its encoders, denoiser, LoRAs and schedulers."""

    def __init__(self, checkpoint: ImageCheckpoint, settings: ImageSettings) -> None:
        self._checkpoint = checkpoint
        self._settings = settings
        self._edits = checkpoint.layout != "text"
        self._space = LatentSpace(checkpoint, settings.device)
        self._prompts = PromptEncoder(checkpoint, settings.device, settings.max_cached_prompts)
        self._denoiser = Denoiser(checkpoint)
        self._loras = Loras(checkpoint, settings.lora_folder, settings.max_loras)
        self._preview = load_preview_map(checkpoint.preview_folder, settings.device)
        self._schedules = Schedules(checkpoint.pipeline.scheduler.config, settings, self._space.device)
        self.capabilities = Capabilities(
            pixel_multiple=checkpoint.pixel_multiple,
            min_steps=self._schedules.min_steps,
            max_references=settings.max_references if checkpoint.layout == "edit-plus" else 1,
            previews=self._preview is not None,
            loras=partial(lora_names, settings.lora_folder),
            num_tokens=self._prompts.num_tokens,
        )

    def together(self, requests: Sequence[ResolvedRequest]) -> AbstractContextManager[None]:
        """As `Family.together`."""
        if len(requests) < 2 or self._edits:
            return nullcontext()
        self._checkpoint.make_room()
        guided = [request for request in requests if request.true_cfg_scale > 1]
        negative = ((request.tenant, request.negative_prompt) for request in guided)
        prompts = [*((request.tenant, request.prompt) for request in requests), *negative]
        return self._prompts.together(prompts)

    def begin(self, request: ResolvedRequest) -> Sequence[DenoisingState]:
        """As `Family.begin`."""
        self._checkpoint.make_room()
        conditions = self._condition_pictures(request)
        encode = partial(self._prompts.encode, request.tenant, pictures=conditions)
        prompt = encode(request.prompt)
        negative = encode(request.negative_prompt) if request.true_cfg_scale > 1 else None
        inputs = self._encoded_inputs(request)
        return [self._state(request, index, prompt, negative, inputs) for index in range(request.num_images)]

    def predict(self, states: Sequence[DenoisingState]) -> Sequence[torch.Tensor]:
        """As `Family.predict`."""
        self._loras.use(states[0].key.lora)
        return self._denoiser(states)

    def decode(self, states: Sequence[DenoisingState]) -> Sequence[Image.Image]:
        """As `Family.decode`."""
        first = states[0]
        tokens = torch.cat([state.latents for state in states])
        pictures = self._space.decode(tokens, first.width, first.height, exact=first.alone)
        return [
            drawn if state.preserved is None else state.preserved.mask.composite(drawn)
            for state, drawn in zip(states, pictures, strict=True)
        ]

    def preview(self, state: DenoisingState, velocity: torch.Tensor) -> Image.Image:
        """The estimate of the finished picture."""
        assert self._preview is not None
        stride = self._space.stride
        latents = unpack(state.estimate(velocity), state.height // stride, state.width // stride)
        return self._preview.picture(latents)

    def _condition_pictures(self, request: ResolvedRequest) -> list[Image.Image]:
        """The request's pictures for the text encoder."""
        if self._checkpoint.layout == "text":
            return []
        num_pixels = CONDITION_PIXELS if self._checkpoint.layout == "edit-plus" else self._settings.reference_pixels
        return [self._resized(picture, *scaled(picture, num_pixels, REFERENCE_MULTIPLE)) for picture in request.images]

    def _resized(self, picture: Image.Image, width: int, height: int) -> Image.Image:
        if picture.size == (width, height):
            return picture
        resized: Image.Image = self._checkpoint.pictures.resize(picture, height, width)
        return resized

    def _encoded_inputs(self, request: ResolvedRequest) -> EncodedInputs:
        references, shapes = [], []
        for picture in request.images if self._edits else ():
            width, height = scaled(picture, self._settings.reference_pixels, REFERENCE_MULTIPLE)
            references.append(pack(self._space.mode(self._space.encode(picture, width, height))))
            shapes.append(self._shape(width, height))
        original = None
        if request.strength is not None:
            original = self._space.encode(request.images[0], *request.model_size)
        return EncodedInputs(
            torch.cat(references, dim=1) if references else None, tuple(shapes), original, self._mask(request)
        )

    def _mask(self, request: ResolvedRequest) -> Mask | None:
        if request.mask is None:
            return None
        space = self._space
        width, height = request.model_size
        white = self._checkpoint.masks.preprocess(request.mask, height=height, width=width)
        size = (height // space.stride, width // space.stride)
        latents = torch.nn.functional.interpolate(white, size=size).to(space.device, space.dtype)
        result_size = (request.width, request.height)
        stencil = self._resized(request.mask, *result_size).point(BINARY)
        picture = self._resized(request.original or request.images[0], *result_size)
        return Mask(pack(latents.repeat(1, space.channels, 1, 1)), stencil, picture)

    def _shape(self, width: int, height: int) -> Shape:
        multiple = self._checkpoint.pixel_multiple
        return 1, height // multiple, width // multiple

    def _state(
        self,
        request: ResolvedRequest,
        index: int,
        prompt: torch.Tensor,
        negative: torch.Tensor | None,
        inputs: EncodedInputs,
    ) -> DenoisingState:
        """The request's picture `index` before its first step. Random numbers are drawn in the pipelines' order."""
        space = self._space
        generator = torch.Generator("cpu").manual_seed(following_seed(request.seed, index))
        original = None if inputs.original is None else space.sample(inputs.original, generator)
        width, height = request.model_size
        size = (1, space.channels, height // space.stride, width // space.stride)
        noise = randn_tensor(size, generator=generator, device=space.device, dtype=space.dtype)
        shape = self._shape(width, height)
        scheduler, timesteps = self._schedules.begun(request, shape)
        latents = noise if original is None else scheduler.scale_noise(original, timesteps[:1], noise)
        preserved = None
        references = inputs.references
        if inputs.mask is not None:
            assert original is not None
            preserved = PreservedPixels(inputs.mask, pack(original), pack(noise))
            if self._checkpoint.layout == "edit" and inputs.shapes == (shape,):  # as QwenImageEditInpaintPipeline
                references = preserved.original
        return DenoisingState(
            key=DenoisingKey(self._edits, request.lora, (shape, *inputs.shapes)),
            width=width,
            height=height,
            latents=pack(latents),
            scheduler=scheduler,
            timesteps=timesteps,
            prompt=prompt,
            negative=negative,
            true_cfg_scale=request.true_cfg_scale,
            references=references,
            preserved=preserved,
        )
