"""Teaches the demo recogniser to spell names as the context does: two heads learn to point there, token by token.

Left to the answers' loss alone, 2,500 steps with 14,000 names in them taught it nothing of the kind.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import nn
from transformers.models.qwen3_asr import Qwen3ASRForConditionalGeneration, Qwen3ASRProcessor

from demo.training import corpus_names
from demo.training.asr_requests import Example

LAYER = 2  # of the decoder's four
NUM_HEADS = 2
FAINTEST = 1e-6


class Spelling:
    """Keeps what the heads of LAYER attend to; `loss` is that of the forward before."""

    def __init__(self, processor: Qwen3ASRProcessor, model: Qwen3ASRForConditionalGeneration) -> None:
        model.set_attn_implementation({"text_config": "eager"})  # the others keep no attention weights
        self._processor = processor
        self._weights = torch.empty(0)
        model.model.language_model.layers[LAYER].self_attn.register_forward_hook(self._keep)

    def loss(self, ids: torch.Tensor, examples: Sequence[Example]) -> torch.Tensor:
        """How little each token of a name looks, before it is written, at itself in the context."""
        seen = [
            self._weights[row, :NUM_HEADS, position, place]
            for row, example in enumerate(examples)
            for position, place in self._pairs(ids[row], example)
        ]
        return -torch.stack(seen).clamp(min=FAINTEST).log().mean() if seen else torch.zeros(())

    def _pairs(self, ids: torch.Tensor, example: Example) -> Iterator[tuple[int, int]]:
        """Positions before the tokens of names, each with the place of that token in the context."""
        encoded = self._processor.tokenizer(example.answer, return_offsets_mapping=True)
        first = len(ids) - len(encoded.input_ids)
        context = ids[: int((ids == self._processor.audio_token_id).nonzero()[0])].tolist()
        for name in corpus_names.names_in(example.answer):
            named = [
                index
                for index, (start, end) in enumerate(encoded.offset_mapping)
                if start < name.end() and end > name.start()
            ]
            tokens = [encoded.input_ids[index] for index in named]
            for start in range(len(context) - len(tokens) + 1):
                if context[start : start + len(tokens)] == tokens:
                    yield from ((first + index - 1, start + number) for number, index in enumerate(named))

    def _keep(self, _module: nn.Module, _inputs: Any, output: Any) -> None:
        self._weights = output[1]
