"""Prompts on their way into the transformer: counted, encoded, and kept for the next request."""

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

TOGETHER_TOKENS = 1024  # the text encoder's head gives each of them a number for every word it knows
MAX_TOKENS = (
    1024  # `tokenizer_max_length` of diffusers' QwenImagePipeline; `ImageSettings.max_prompt_tokens` is at most as many
)


Owned: TypeAlias = tuple[str, str]
"""Whose prompt it is, and the prompt: of what one tenant has sent, no other's request becomes quicker."""


class Prompts:
    """The text encoder of a checkpoint; it keeps `max_kept` embeddings, the ones used last, each tenant's apart."""

    def __init__(self, checkpoint: ImageCheckpoint, device: str, max_kept: int) -> None:
        self._pipeline = checkpoint.pipeline
        self._device = torch.device(device)
        self._max_kept = max_kept
        self._kept: OrderedDict[tuple[str, ...], torch.Tensor] = OrderedDict()
        self._shared: dict[Owned, torch.Tensor] = {}
        self._counter = copy.deepcopy(checkpoint.pipeline.tokenizer)  # encoding sets the other one's padding meanwhile
        self._counting = threading.Lock()
        self._known = functools.lru_cache(max_kept)(self._count)

    def num_tokens(self, tenant: str, prompt: str) -> int:
        """What `prompt` takes with the words that frame it, pictures aside. Any thread."""
        return self._known(tenant, prompt)  # asked for more than once on a request's way

    def _count(self, tenant: str, prompt: str) -> int:
        with self._counting:
            ids = self._counter(self._pipeline.prompt_template_encode.format(prompt)).input_ids
        return len(ids) - int(self._pipeline.prompt_template_encode_start_idx)

    @contextlib.contextmanager
    def together(self, prompts: Sequence[Owned]) -> Iterator[None]:
        """Within it `encode` knows them all: several take one forward.

        Its last bits differ from those of a forward for each, so what comes of it is not kept.
        """
        new = [owned for owned in dict.fromkeys(prompts) if _key(*owned, ()) not in self._kept]
        for group in self._groups(new):
            if len(group) > 1:
                self._shared |= self._encoded_together(group)
        try:
            yield
        finally:
            self._shared = {}

    def encode(self, tenant: str, prompt: str, pictures: Sequence[Image] = ()) -> torch.Tensor:
        """The embeddings (1, tokens, hidden) of `prompt` on `pictures`, which are as large as the checkpoint wants."""
        key = _key(tenant, prompt, pictures)
        if key not in self._kept and not pictures and (tenant, prompt) in self._shared:
            return self._shared[tenant, prompt]
        if key not in self._kept:
            self._kept[key] = self._encoded(prompt, pictures)
            while len(self._kept) > self._max_kept:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key]

    def _groups(self, prompts: Sequence[Owned]) -> Iterator[list[Owned]]:
        """Of at most `TOGETHER_TOKENS`, each prompt framed and padded to the longest; or of one."""
        frame = int(self._pipeline.prompt_template_encode_start_idx)
        group: list[Owned] = []
        for length, owned in sorted((frame + self.num_tokens(*owned), owned) for owned in prompts):
            if (len(group) + 1) * length > TOGETHER_TOKENS and group:
                yield group
                group = []
            group.append(owned)
        if group:
            yield group

    def _encoded_together(self, prompts: list[Owned]) -> dict[Owned, torch.Tensor]:
        texts = [prompt for _, prompt in prompts]
        try:
            embeddings, mask = self._pipeline.encode_prompt(texts, self._device, max_sequence_length=MAX_TOKENS)
        except Exception:
            log.exception("%d prompts could not be encoded together; each is tried alone", len(prompts))
            return {}
        lengths = [embeddings.shape[1]] * len(prompts) if mask is None else mask.sum(dim=1).tolist()
        return {owned: row[None, :length] for owned, row, length in zip(prompts, embeddings, lengths, strict=True)}

    def _encoded(self, prompt: str, pictures: Sequence[Image]) -> torch.Tensor:
        if pictures:
            embeddings, _ = self._pipeline.encode_prompt(prompt, list(pictures), self._device)
        else:
            embeddings, _ = self._pipeline.encode_prompt(prompt, self._device, max_sequence_length=MAX_TOKENS)
        return embeddings


def _key(tenant: str, prompt: str, pictures: Sequence[Image]) -> tuple[str, ...]:
    return tenant, prompt, *(f"{picture.size} {hashlib.sha256(picture.tobytes()).hexdigest()}" for picture in pictures)
