"""Trains heads of the demo chat model to attend to the word that the answer repeats next.

Two losses. A head of a lower layer attends from every token of the answer at the word repeated
last, and from every word that will be repeated at the one before it: so both encode the same position. Two heads of a
higher layer then attend, before each word is generated, to the word itself.
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
NAME = "attention_losses"


class AttentionLosses:
    """Keeps queries and keys of the two layers; `losses` are those of the forward before."""

    def __init__(self, model: Qwen3ForCausalLM) -> None:
        self._projections: dict[int, tuple[Tensor, Tensor]] = {}
        AttentionInterface.register(NAME, self._attend)
        AttentionMaskInterface.register(NAME, sdpa_mask)
        model.set_attn_implementation(NAME)

    def losses(self, examples: Sequence[Example]) -> tuple[Tensor, Tensor]:
        """Cross entropies of the attention, in nats: to the word that follows, to the word reached."""
        following = self._loss(FOLLOWING_LAYER, FOLLOWING_HEADS, [example.following for example in examples])
        reached = self._loss(REACHED_LAYER, REACHED_HEADS, [example.reached for example in examples])
        return following, reached

    def _loss(self, layer: int, heads: Sequence[int], wanted: Sequence[Pairs]) -> Tensor:
        query, key = self._projections[layer]
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
            self._projections[int(module.layer_idx)] = (query, key)
        return sdpa_attention_forward(module, query, key, value, *rest, **options)
