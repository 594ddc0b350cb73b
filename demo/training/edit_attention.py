"""Trains one head of every block to attend from each position of the picture in the making to that of the given one.

Without it most of an edit's training goes by before the shapes that were not to change are copied at all.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from diffusers.models.transformers import transformer_qwenimage
from torch import Tensor

HEAD = 0


@contextlib.contextmanager
def attention_losses(num_tokens: int) -> Iterator[list[Tensor]]:
    """Within it every attention adds the cross entropy of `HEAD`, in nats.

    Keys end in the picture in the making and the one given, `num_tokens` each.
    """
    original = transformer_qwenimage.dispatch_attention_fn
    losses: list[Tensor] = []

    def attend(query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, **options: Any) -> Tensor:
        looking = query[:, -2 * num_tokens : -num_tokens, HEAD]
        scores = looking @ key[:, :, HEAD].transpose(1, 2) / query.shape[-1] ** 0.5
        if attn_mask is not None:
            scores = scores.masked_fill(~attn_mask[:, 0], -torch.inf)
        pointing = scores.log_softmax(dim=-1)[:, :, -num_tokens:].diagonal(dim1=1, dim2=2)
        losses.append(-pointing.mean())
        return original(query, key, value, attn_mask=attn_mask, **options)

    transformer_qwenimage.dispatch_attention_fn = attend
    try:
        yield losses
    finally:
        transformer_qwenimage.dispatch_attention_fn = original
