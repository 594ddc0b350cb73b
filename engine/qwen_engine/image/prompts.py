"""Prompt encoding: token counts and cached embeddings."""

import contextlib
import copy
import functools
import hashlib
import logging
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import TypeAlias

import torch
from PIL.Image import Image

from qwen_engine.image.checkpoint import ImageCheckpoint

log = logging.getLogger(__name__)

TOGETHER_TOKENS = 1024  # each one has logits of the whole vocabulary in the text encoder's head
MAX_TOKENS = (
    1024  # `tokenizer_max_length` of diffusers' QwenImagePipeline; `ImageSettings.max_prompt_tokens` is at most as many
)


TenantPrompt: TypeAlias = tuple[str, str]
"""Tenant and prompt: caches are per tenant, as a fast answer would reveal another's prompt."""


class PromptEncoder:
    """The text encoder of a checkpoint, with a cache of `max_cached` embeddings, per tenant."""

    def __init__(self, checkpoint: ImageCheckpoint, device: str, max_cached: int) -> None:
        self._pipeline = checkpoint.pipeline
        self._device = torch.device(device)
        self._max_cached = max_cached
        self._cached: OrderedDict[tuple[str, ...], torch.Tensor] = OrderedDict()
        self._shared: dict[TenantPrompt, torch.Tensor] = {}
        self._counter = copy.deepcopy(checkpoint.pipeline.tokenizer)  # encoding changes its padding
        self._counting = threading.Lock()
        self._num_tokens = functools.lru_cache(max_cached)(self._count)

    def num_tokens(self, tenant: str, prompt: str) -> int:
        """The tokens of `prompt` in the template, without pictures. Any thread."""
        return self._num_tokens(tenant, prompt)  # needed several times for a request

    def _count(self, tenant: str, prompt: str) -> int:
        with self._counting:
            ids = self._counter(self._pipeline.prompt_template_encode.format(prompt)).input_ids
        return len(ids) - int(self._pipeline.prompt_template_encode_start_idx)

    @contextlib.contextmanager
    def together(self, prompts: Sequence[TenantPrompt]) -> Iterator[None]:
        """A context in which `encode` has all of these prompts, encoded in shared forwards.

        The last bits differ from those of a forward for each, so these embeddings are not cached.
        """
        new = [key for key in dict.fromkeys(prompts) if _key(*key, ()) not in self._cached]
        for group in self._groups(new):
            if len(group) > 1:
                self._shared |= self._encoded_together(group)
        try:
            yield
        finally:
            self._shared = {}

    def encode(self, tenant: str, prompt: str, pictures: Sequence[Image] = ()) -> torch.Tensor:
        """The embeddings (1, tokens, hidden) of `prompt` with `pictures`, resized for the checkpoint."""
        key = _key(tenant, prompt, pictures)
        if key not in self._cached and not pictures and (tenant, prompt) in self._shared:
            return self._shared[tenant, prompt]
        if key not in self._cached:
            self._cached[key] = self._encoded(prompt, pictures)
            while len(self._cached) > self._max_cached:
                self._cached.popitem(last=False)
        self._cached.move_to_end(key)
        return self._cached[key]

    def _groups(self, prompts: Sequence[TenantPrompt]) -> Iterator[list[TenantPrompt]]:
        """Groups of at most `TOGETHER_TOKENS`, in the template and padded to the longest; or of one prompt."""
        frame = int(self._pipeline.prompt_template_encode_start_idx)
        group: list[TenantPrompt] = []
        for length, key in sorted((frame + self.num_tokens(*key), key) for key in prompts):
            if (len(group) + 1) * length > TOGETHER_TOKENS and group:
                yield group
                group = []
            group.append(key)
        if group:
            yield group

    def _encoded_together(self, prompts: list[TenantPrompt]) -> dict[TenantPrompt, torch.Tensor]:
        texts = [prompt for _, prompt in prompts]
        try:
            embeddings, mask = self._pipeline.encode_prompt(texts, self._device, max_sequence_length=MAX_TOKENS)
        except Exception:
            log.exception("%d prompts could not be encoded together; each is tried alone", len(prompts))
            return {}
        lengths = [embeddings.shape[1]] * len(prompts) if mask is None else mask.sum(dim=1).tolist()
        return {key: row[None, :length] for key, row, length in zip(prompts, embeddings, lengths, strict=True)}

    def _encoded(self, prompt: str, pictures: Sequence[Image]) -> torch.Tensor:
        if pictures:
            embeddings, _ = self._pipeline.encode_prompt(prompt, list(pictures), self._device)
        else:
            embeddings, _ = self._pipeline.encode_prompt(prompt, self._device, max_sequence_length=MAX_TOKENS)
        return embeddings


def _key(tenant: str, prompt: str, pictures: Sequence[Image]) -> tuple[str, ...]:
    return tenant, prompt, *(f"{picture.size} {hashlib.sha256(picture.tobytes()).hexdigest()}" for picture in pictures)
