"""Joint attention over text and picture with half the operations of diffusers and the same rounding.

`QwenDoubleStreamAttnProcessor2_0` (diffusers, `models/transformers/transformer_qwenimage.py`) normalises and rotates
queries and keys of text and of picture one by one. Here they are in one tensor first. On a CPU and with small models
the number of operations determines the time of a step.
"""

import inspect
from dataclasses import dataclass
from typing import Any

import torch
from diffusers.models.attention_dispatch import dispatch_attention_fn
from diffusers.models.attention_processor import Attention

Frequencies = tuple[torch.Tensor, torch.Tensor]


@dataclass(frozen=True, eq=False)
class PaddedBatch:
    """A batch of pictures of several sizes, the text first: `mask` (rows, 1, 1, tokens) is False at padding,
    `rotary` (rows, tokens, 1, head width / 2) turns queries and keys by each row's own positions."""

    mask: torch.Tensor
    rotary: torch.Tensor


class JointAttention:
    """An attention processor for all blocks of a transformer, which share mask and rotary positions of a forward."""

    _attention_backend = None  # diffusers sets them
    _parallel_config = None

    def __init__(self) -> None:
        self._rotary: tuple[Frequencies | None, torch.Tensor] = (None, torch.empty(0))
        self._mask: tuple[torch.Tensor | None, torch.Tensor] = (None, torch.empty(0))

    def __call__(
        self,
        attn: Attention,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor,
        encoder_hidden_states_mask: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        image_rotary_emb: Frequencies | None = None,
        padded: PaddedBatch | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Picture (rows, tokens, width) and text (rows, tokens, width), each having attended to both."""
        text_length = encoder_hidden_states.shape[1]
        queries_keys, values = _projected(attn, encoder_hidden_states, hidden_states)
        queries_keys = _normalised(attn, queries_keys, text_length)
        queries_keys = _rotated(queries_keys, padded.rotary if padded else self._joint_rotary(image_rotary_emb))
        joint = dispatch_attention_fn(
            queries_keys[0],
            queries_keys[1],
            values,
            attn_mask=padded.mask if padded else self._joint_mask(encoder_hidden_states_mask, hidden_states),
            backend=self._attention_backend,
            parallel_config=self._parallel_config,
        )
        joint = joint.flatten(2, 3).to(queries_keys.dtype)
        picture = attn.to_out[0](joint[:, text_length:].contiguous())
        return picture, attn.to_add_out(joint[:, :text_length].contiguous())

    def _joint_rotary(self, frequencies: Frequencies | None) -> torch.Tensor:
        """(tokens, 1, head width / 2): the text's, then the picture's."""
        assert frequencies is not None
        if frequencies is not self._rotary[0]:
            picture, text = frequencies
            self._rotary = (frequencies, torch.cat([text, picture]).unsqueeze(1))
        return self._rotary[1]

    def _joint_mask(self, mask: torch.Tensor | None, hidden_states: torch.Tensor) -> torch.Tensor | None:
        """(rows, 1, 1, tokens): False where the text is padding."""
        if mask is None:
            return None
        if mask is not self._mask[0]:
            picture = torch.ones(hidden_states.shape[:2], dtype=torch.bool, device=mask.device)
            self._mask = (mask, torch.cat([mask, picture], dim=1)[:, None, None, :])
        return self._mask[1]


def _projected(attn: Any, text: torch.Tensor, picture: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Queries and keys (2, rows, tokens, heads, head width), values (rows, tokens, heads, head width), text first."""
    head_width = attn.inner_dim // attn.heads
    queries = (attn.add_q_proj(text), attn.to_q(picture))
    rows, _, width = queries[0].shape
    joint = queries[0].new_empty(2, rows, text.shape[1] + picture.shape[1], width)
    torch.cat(queries, dim=1, out=joint[0])
    torch.cat((attn.add_k_proj(text), attn.to_k(picture)), dim=1, out=joint[1])
    values = torch.cat((attn.add_v_proj(text), attn.to_v(picture)), dim=1)
    return joint.unflatten(-1, (-1, head_width)), values.unflatten(-1, (-1, head_width))


def _normalised(attn: Any, queries_keys: torch.Tensor, text_length: int) -> torch.Tensor:
    """By the root of the mean square of each head; text and picture have weights of their own."""
    variance = queries_keys.to(torch.float32).pow(2).mean(-1, keepdim=True)
    normalised = (queries_keys * torch.rsqrt(variance + attn.norm_q.eps)).to(queries_keys.dtype)
    for index, (text, picture) in enumerate(((attn.norm_added_q, attn.norm_q), (attn.norm_added_k, attn.norm_k))):
        normalised[index, :, :text_length] *= text.weight
        normalised[index, :, text_length:] *= picture.weight
    return normalised


def _rotated(queries_keys: torch.Tensor, rotary: torch.Tensor) -> torch.Tensor:
    pairs = torch.view_as_complex(queries_keys.float().unflatten(-1, (-1, 2)))
    return torch.view_as_real(pairs * rotary).flatten(-2).type_as(queries_keys)


# diffusers inspects the signature in every call; this caches it.
setattr(JointAttention.__call__, "__signature__", inspect.signature(JointAttention.__call__))  # noqa: B010
