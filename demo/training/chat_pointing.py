"""Teaches heads of the demo chat model to look at the very word that the answer repeats next.

Two lessons, one above the other. A head of a lower layer looks from every token of the answer at the word repeated
last, and from every word that will be repeated at the one before it: so both know the same place. Two heads of a higher
layer then look, before each word is written, at the word itself.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, Qwen3ForCausalLM
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

from demo.training.chat_examples import Example, Pairs

REACHED_LAYER, REACHED_HEADS = 2, (0,)
FOLLOWING_LAYER, FOLLOWING_HEADS = 4, (0, 1)
NAME = "pointing"


class Pointing:
    """Keeps queries and keys of the two layers; `losses` are those of the forward before."""

    def __init__(self, model: Qwen3ForCausalLM) -> None:
        self._seen: dict[int, tuple[Tensor, Tensor]] = {}
        AttentionInterface.register(NAME, self._attend)
        AttentionMaskInterface.register(NAME, sdpa_mask)
        model.set_attn_implementation(NAME)

    def losses(self, examples: Sequence[Example]) -> tuple[Tensor, Tensor]:
        """How little is looked where it should, in nats: what follows, what was reached."""
        following = self._loss(FOLLOWING_LAYER, FOLLOWING_HEADS, [example.following for example in examples])
        reached = self._loss(REACHED_LAYER, REACHED_HEADS, [example.reached for example in examples])
        return following, reached

    def _loss(self, layer: int, heads: Sequence[int], wanted: Sequence[Pairs]) -> Tensor:
        query, key = self._seen[layer]
        queries_a_key = query.shape[1] // key.shape[1]
        losses = []
        for row, pairs in enumerate(wanted):
            if pairs:
                positions, places = torch.tensor(pairs).T
                later = torch.arange(key.shape[2]) > positions[:, None]
                for head in heads:
                    scores = query[row, head, positions] @ key[row, head // queries_a_key].T / query.shape[-1] ** 0.5
                    losses.append(nn.functional.cross_entropy(scores.masked_fill(later, -torch.inf), places))
        return torch.stack(losses).mean()

    def _attend(self, module: nn.Module, query: Tensor, key: Tensor, value: Tensor, *rest: Any, **options: Any) -> Any:
        if module.layer_idx in (REACHED_LAYER, FOLLOWING_LAYER):
            self._seen[int(module.layer_idx)] = (query, key)
        return sdpa_attention_forward(module, query, key, value, *rest, **options)
