"""Prompts on their way into the transformer: counted, encoded, and kept for the next request."""

import copy
import hashlib
import threading
from collections import OrderedDict
from collections.abc import Sequence

import torch
from PIL.Image import Image

from qwen_engine.image.checkpoint import ImageCheckpoint

MAX_TOKENS = 1024  # upstream cuts here; `ImageSettings.max_prompt_tokens` is at most as many


class Prompts:
    """The text encoder of a checkpoint; it keeps `max_kept` embeddings, the ones used last."""

    def __init__(self, checkpoint: ImageCheckpoint, device: str, max_kept: int) -> None:
        self._pipeline = checkpoint.pipeline
        self._device = torch.device(device)
        self._max_kept = max_kept
        self._kept: OrderedDict[tuple[str, ...], torch.Tensor] = OrderedDict()
        self._counter = copy.deepcopy(checkpoint.pipeline.tokenizer)  # encoding sets the other one's padding meanwhile
        self._counting = threading.Lock()

    def num_tokens(self, prompt: str) -> int:
        """What `prompt` takes with the words that frame it, pictures aside. Any thread."""
        with self._counting:
            ids = self._counter(self._pipeline.prompt_template_encode.format(prompt)).input_ids
        return len(ids) - int(self._pipeline.prompt_template_encode_start_idx)

    def encode(self, prompt: str, pictures: Sequence[Image] = ()) -> torch.Tensor:
        """The embeddings (1, tokens, hidden) of `prompt` on `pictures`, which are as large as the checkpoint wants."""
        key = _key(prompt, pictures)
        if key not in self._kept:
            self._kept[key] = self._encoded(prompt, pictures)
            while len(self._kept) > self._max_kept:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key]

    def _encoded(self, prompt: str, pictures: Sequence[Image]) -> torch.Tensor:
        if pictures:
            embeddings, _ = self._pipeline.encode_prompt(prompt, list(pictures), self._device)
        else:
            embeddings, _ = self._pipeline.encode_prompt(prompt, self._device, max_sequence_length=MAX_TOKENS)
        return embeddings


def _key(prompt: str, pictures: Sequence[Image]) -> tuple[str, ...]:
    return prompt, *(f"{picture.size} {hashlib.sha256(picture.tobytes()).hexdigest()}" for picture in pictures)
