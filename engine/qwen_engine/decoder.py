"""The Qwen3 decoder stack with a slot KV cache: talker, code predictor, the recogniser's language model and chat.

RMS norm, grouped-query attention with normed queries and keys, rotary positions, SwiGLU. A row of the batch is a slot
of the cache with a position of its own, so requests join and leave between any two steps. Rows are always the first
slots: a forward reads views of the cache and copies nothing.

Multimodal rotary positions (three axes) are not needed: text and codec frames have equal positions on all axes, where
they reduce to the plain ones.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.functional import linear, rms_norm, scaled_dot_product_attention, silu

from qwen_engine.weights import WeightsBelow


@dataclass(frozen=True)
class DecoderConfig:
    """The shape of a stack, from the fields of a published config.json."""

    num_layers: int
    hidden_size: int
    num_heads: int
    num_kv_heads: int
    head_dim: int
    rope_theta: float
    norm_eps: float

    @classmethod
    def from_json(cls, config: Mapping[str, Any]) -> "DecoderConfig":
        rope = config.get("rope_parameters") or {}
        return cls(
            num_layers=config["num_hidden_layers"],
            hidden_size=config["hidden_size"],
            num_heads=config["num_attention_heads"],
            num_kv_heads=config["num_key_value_heads"],
            head_dim=config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"],
            rope_theta=float(config.get("rope_theta") or rope["rope_theta"]),
            norm_eps=config["rms_norm_eps"],
        )


class SlotCache:
    """Keys and values of every layer: each (slots, length, kv heads, head dim)."""

    def __init__(self, config: DecoderConfig, num_slots: int, length: int, dtype: torch.dtype, device: str) -> None:
        shape = (num_slots, length, config.num_kv_heads, config.head_dim)
        self.length = length
        self.keys = [torch.zeros(shape, dtype=dtype, device=device) for _ in range(config.num_layers)]
        self.values = [torch.zeros(shape, dtype=dtype, device=device) for _ in range(config.num_layers)]

    def move(self, source: int, target: int, length: int) -> None:
        """Copy the first `length` entries of a slot over another's."""
        for tensor in (*self.keys, *self.values):
            tensor[target, :length] = tensor[source, :length]


@dataclass(frozen=True)
class Span:
    """Where a forward reads and writes: `rows` of the cache, each at its own positions.

    cosine, sine (rows or 1, time, 1, head dim); mask (rows or 1, 1, time, length), True where a position may look,
    or None where each may look at all of the first `length`. `places` says where the new keys go: a slice of
    positions that all rows share, or an index of (rows, 1) and (rows, time) tensors.
    """

    rows: slice
    places: Any
    length: int
    cosine: torch.Tensor
    sine: torch.Tensor
    mask: torch.Tensor | None


class Rotary:
    """Cosines and sines of the positions below `length`, with the sign of the half rotation folded into the sines."""

    def __init__(self, config: DecoderConfig, length: int, dtype: torch.dtype, device: str) -> None:
        exponents = torch.arange(0, config.head_dim, 2, dtype=torch.int64).float() / config.head_dim
        angles = torch.outer(torch.arange(length).float(), 1.0 / config.rope_theta**exponents)
        self.cosine = torch.cat((angles.cos(), angles.cos()), dim=-1).to(device, dtype)
        self.sine = torch.cat((-angles.sin(), angles.sin()), dim=-1).to(device, dtype)


class _Layer:
    def __init__(self, config: DecoderConfig, weights: WeightsBelow) -> None:
        self.config = config
        self.num_rotated = config.num_heads + config.num_kv_heads
        self.qkv = weights.fused(f"self_attn.{name}_proj.weight" for name in "qkv")
        query_norm, key_norm = (weights.take(f"self_attn.{name}_norm.weight") for name in "qk")
        self.qk_norm = torch.cat(
            (query_norm.expand(config.num_heads, -1), key_norm.expand(config.num_kv_heads, -1))
        ).contiguous()
        self.output = weights.take("self_attn.o_proj.weight")
        self.gate_up = weights.fused(("mlp.gate_proj.weight", "mlp.up_proj.weight"))
        self.down = weights.take("mlp.down_proj.weight")
        self.attention_norm = weights.take("input_layernorm.weight")
        self.mlp_norm = weights.take("post_attention_layernorm.weight")

    def forward(self, hidden: torch.Tensor, span: Span, keys: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        config = self.config
        width = (config.hidden_size,)
        attended = self._attend(rms_norm(hidden, width, self.attention_norm, config.norm_eps), span, keys, values)
        hidden = hidden + linear(attended, self.output)
        gate, up = linear(rms_norm(hidden, width, self.mlp_norm, config.norm_eps), self.gate_up).chunk(2, dim=-1)
        return hidden + linear(silu(gate) * up, self.down)

    def _attend(self, normed: torch.Tensor, span: Span, keys: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        config = self.config
        num_rows, num_steps, _ = normed.shape
        heads = linear(normed, self.qkv).view(num_rows, num_steps, -1, config.head_dim)
        rotated = rms_norm(heads[:, :, : self.num_rotated], (config.head_dim,), None, config.norm_eps) * self.qk_norm
        rotated = torch.addcmul(rotated * span.cosine, rotated.roll(config.head_dim // 2, -1), span.sine)
        query, key = rotated.split((config.num_heads, config.num_kv_heads), dim=2)
        keys[span.rows][span.places] = key
        values[span.rows][span.places] = heads[:, :, self.num_rotated :]
        attended = scaled_dot_product_attention(
            self._grouped(query),
            keys[span.rows, : span.length].transpose(1, 2),
            values[span.rows, : span.length].transpose(1, 2),
            attn_mask=self._grouped_mask(span.mask),
        )
        attended = attended.view(num_rows, config.num_heads, num_steps, config.head_dim)
        return attended.transpose(1, 2).reshape(num_rows, num_steps, -1)

    def _grouped(self, query: torch.Tensor) -> torch.Tensor:
        """(rows, time, heads, dim) -> (rows, kv heads, heads of the group * time, dim): no key is repeated."""
        head_dim = query.shape[-1]
        return query.transpose(1, 2).reshape(len(query), self.config.num_kv_heads, -1, head_dim)

    def _grouped_mask(self, mask: torch.Tensor | None) -> torch.Tensor | None:
        if mask is None or mask.shape[2] == 1:
            return mask
        return mask.repeat(1, 1, self.config.num_heads // self.config.num_kv_heads, 1)


class Decoder:
    """A stack with its cache. `prefill` and `step` take embeddings and return the last norm's output."""

    def __init__(
        self,
        config: DecoderConfig,
        weights: WeightsBelow,
        *,
        num_slots: int,
        length: int,
    ) -> None:
        self.config = config
        self.layers = [_Layer(config, weights.below(f"layers.{index}.")) for index in range(config.num_layers)]
        self.norm = weights.take("norm.weight")
        dtype, device = self.norm.dtype, str(self.norm.device)
        self.cache = SlotCache(config, num_slots, length, dtype, device)
        self.rotary = Rotary(config, length, dtype, device)
        self._positions = torch.arange(length, device=device)
        self._rows = torch.arange(num_slots, device=device)[:, None]

    def prefill(self, hidden: torch.Tensor, first_slot: int) -> torch.Tensor:
        """Fill slots from `first_slot` on with `hidden` (rows, time, hidden), padded on the right: its outputs.

        What padding leaves behind in a slot is overwritten before any later step looks there.
        """
        return self.uniform(hidden, slice(first_slot, first_slot + len(hidden)), 0)

    def uniform(self, hidden: torch.Tensor, rows: slice, start: int) -> torch.Tensor:
        """`hidden` (rows, time, hidden) of rows that all stand at position `start`."""
        end = start + hidden.shape[1]
        positions = self._positions[start:end]
        mask = None if hidden.shape[1] == 1 else (self._positions[:end] <= positions[:, None])[None, None]
        places = (slice(None), slice(start, end))
        span = Span(rows, places, end, self.rotary.cosine[start:end, None], self.rotary.sine[start:end, None], mask)
        return self._forward(hidden, span)

    def step(self, hidden: torch.Tensor, positions: torch.Tensor, length: int) -> torch.Tensor:
        """One step of the first rows: `hidden` (rows, 1, hidden) at `positions` (rows,), all below `length`."""
        num_rows = len(hidden)
        span = Span(
            rows=slice(0, num_rows),
            places=(self._rows[:num_rows], positions[:, None]),
            length=length,
            cosine=self.rotary.cosine[positions][:, None, None],
            sine=self.rotary.sine[positions][:, None, None],
            mask=(self._positions[:length] <= positions[:, None])[:, None, None],
        )
        return self._forward(hidden, span)

    def _forward(self, hidden: torch.Tensor, span: Span) -> torch.Tensor:
        for layer, keys, values in zip(self.layers, self.cache.keys, self.cache.values, strict=True):
            hidden = layer.forward(hidden, span, keys, values)
        return rms_norm(hidden, (self.config.hidden_size,), self.norm, self.config.norm_eps)
