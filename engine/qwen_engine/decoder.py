"""The Qwen3 decoder stack with a slot KV cache, of talker, code predictor, the recogniser's language model and chat.

RMS norm, grouped-query attention with normed queries and keys, rotary positions, SwiGLU. A row of the batch is a slot
of the cache with a position of its own, so requests join and leave between any two steps. Rows are always the first
slots: a forward reads views of the cache and copies nothing.

Multimodal rotary positions (three axes) are not needed: text and codec frames have equal positions on all axes, where
they reduce to the plain ones.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.functional import linear, scaled_dot_product_attention, silu
from torch.nn.utils.rnn import pad_sequence

from qwen_engine.graphs import to_device
from qwen_engine.norm import RmsNorm
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
            rope_theta=float(rope.get("rope_theta") or config["rope_theta"]),
            norm_eps=config["rms_norm_eps"],
        )


class SlotCache:
    """Keys and values of every layer: each (slots, length, kv heads, head dim).

    They lie in memory as attention reads them, one head's after another: half the time of a step with long rows.
    """

    def __init__(self, config: DecoderConfig, num_slots: int, length: int, dtype: torch.dtype, device: str) -> None:
        shape = (num_slots, config.num_kv_heads, length, config.head_dim)
        self.length = length
        self.keys, self.values = (
            [torch.zeros(shape, dtype=dtype, device=device).transpose(1, 2) for _ in range(config.num_layers)]
            for _ in range(2)
        )

    def move(self, source: int, target: int, length: int) -> None:
        """Copy the first `length` entries of a slot over another's."""
        for tensor in (*self.keys, *self.values):
            tensor[target, :length] = tensor[source, :length]


@dataclass(frozen=True)
class CacheView:
    """One layer's view of the cache in one forward: what it attends to, and where its new keys and values go.

    keys, values (rows, kv heads, length, head dim), new ones included. `new_keys`, `new_values`: the positions that
    all rows share (rows, time, kv heads, head dim); or, where rows are at different positions, the whole cache, with
    the `places` in it: an index of (rows, 1) tensors.
    """

    keys: torch.Tensor
    values: torch.Tensor
    new_keys: torch.Tensor
    new_values: torch.Tensor
    places: tuple[torch.Tensor, torch.Tensor] | None = None

    def write(self, keys: torch.Tensor, values: torch.Tensor) -> None:
        """Store (rows, time, kv heads, head dim) of this forward."""
        for target, fresh in ((self.new_keys, keys), (self.new_values, values)):
            if self.places is None:
                target.copy_(fresh)
            else:
                target.index_put_(self.places, fresh)


@dataclass(frozen=True)
class AttentionContext:
    """What the layers of one forward share, and each one's `caches`.

    cosine, sine (rows or 1, time, 1, head dim); mask (rows or 1, 1, time, length), True where a position attends,
    or None where each attends to all. Several positions are in the mask once for each head of a group.
    """

    num_rows: int
    num_steps: int
    cosine: torch.Tensor
    sine: torch.Tensor
    mask: torch.Tensor | None
    caches: Sequence[CacheView]


class Rotary:
    """Cosines and sines of the positions below `length`, with the sign of the half rotation folded into the sines."""

    def __init__(self, config: DecoderConfig, length: int, dtype: torch.dtype, device: str) -> None:
        exponents = torch.arange(0, config.head_dim, 2, dtype=torch.int64).float() / config.head_dim
        angles = torch.outer(torch.arange(length).float(), 1.0 / config.rope_theta**exponents)
        self.cosine = torch.cat((angles.cos(), angles.cos()), dim=-1).to(device, dtype)
        self.sine = torch.cat((-angles.sin(), angles.sin()), dim=-1).to(device, dtype)


class _Layer:
    """Attention and SwiGLU over positions (rows * time, hidden)."""

    def __init__(self, config: DecoderConfig, weights: WeightsBelow) -> None:
        self.config = config
        self.qkv = weights.fused(f"self_attn.{name}_proj.weight" for name in "qkv")
        query_norm, key_norm = (weights.take(f"self_attn.{name}_norm.weight") for name in "qk")
        self.qk_norm = RmsNorm(
            torch.cat((query_norm.expand(config.num_heads, -1), key_norm.expand(config.num_kv_heads, -1))),
            config.norm_eps,
        )
        self.output = weights.take("self_attn.o_proj.weight").T
        self.gate_up = weights.fused(("mlp.gate_proj.weight", "mlp.up_proj.weight"))
        self.down = weights.take("mlp.down_proj.weight").T
        self.attention_norm = RmsNorm(weights.take("input_layernorm.weight"), config.norm_eps)
        self.mlp_norm = RmsNorm(weights.take("post_attention_layernorm.weight"), config.norm_eps)

    def forward(self, hidden: torch.Tensor, context: AttentionContext, cache: CacheView) -> torch.Tensor:
        hidden = torch.addmm(hidden, self._attend(self.attention_norm(hidden), context, cache), self.output)
        gate, up = linear(self.mlp_norm(hidden), self.gate_up).chunk(2, dim=-1)
        return torch.addmm(hidden, silu(gate).mul_(up), self.down)

    def _attend(self, normed: torch.Tensor, context: AttentionContext, cache: CacheView) -> torch.Tensor:
        config = self.config
        num_rotated = config.num_heads + config.num_kv_heads
        heads = linear(normed, self.qkv).view(context.num_rows, context.num_steps, -1, config.head_dim)
        rotated, value = heads.split((num_rotated, config.num_kv_heads), dim=2)
        rotated = self.qk_norm(rotated)
        rotated = torch.addcmul(rotated * context.cosine, rotated.roll(config.head_dim // 2, -1), context.sine)
        query, key = rotated.split((config.num_heads, config.num_kv_heads), dim=2)
        cache.write(key, value)
        grouped = self._grouped(query, context)
        attended = scaled_dot_product_attention(grouped, cache.keys, cache.values, attn_mask=context.mask)
        return self._ungrouped(attended, context)

    def _grouped(self, query: torch.Tensor, context: AttentionContext) -> torch.Tensor:
        """(rows, time, heads, dim) -> (rows, kv heads, heads of the group * time, dim): no key is repeated."""
        if context.num_steps > 1:
            query = query.transpose(1, 2)
        return query.reshape(context.num_rows, self.config.num_kv_heads, -1, self.config.head_dim)

    def _ungrouped(self, attended: torch.Tensor, context: AttentionContext) -> torch.Tensor:
        """As `_grouped` gave -> (rows * time, heads * dim)."""
        if context.num_steps > 1:
            shape = (context.num_rows, self.config.num_heads, context.num_steps, self.config.head_dim)
            attended = attended.reshape(shape).transpose(1, 2)
        return attended.reshape(context.num_rows * context.num_steps, -1)


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
        norm = weights.take("norm.weight")
        self.norm = RmsNorm(norm, config.norm_eps)
        dtype, device = norm.dtype, str(norm.device)
        self.cache = SlotCache(config, num_slots, length, dtype, device)
        self.rotary = Rotary(config, length, dtype, device)
        self._group_size = config.num_heads // config.num_kv_heads
        self._positions = torch.arange(length, device=device)
        self._rows = torch.arange(num_slots, device=device)[:, None]

    def prefill(self, prompts: Sequence[torch.Tensor], first_slot: int, start: int = 0) -> torch.Tensor:
        """Fill slots from `first_slot` on with `prompts`, each (positions, hidden): (rows, hidden) of their last ones.

        The slots continue at position `start`; those before it are filled. What padding leaves behind in a slot is
        overwritten before any later step attends to it.
        """
        padded = pad_sequence(list(prompts), batch_first=True)
        rows = slice(first_slot, first_slot + len(prompts))
        outputs = self.forward(padded, self.uniform(rows, start, start + padded.shape[1]))
        lasts = to_device(torch.tensor([len(prompt) - 1 for prompt in prompts]), padded.device)
        return outputs[torch.arange(len(prompts), device=padded.device), lasts]

    def read(self, hidden: torch.Tensor) -> torch.Tensor:
        """`hidden` (rows, time, hidden), padded on the right: its outputs, without use of the slot cache.

        All layers write the same keys and values in turn.
        """
        num_rows, num_steps, _ = hidden.shape
        shape = (num_rows, num_steps, self.config.num_kv_heads, self.config.head_dim)
        keys, values = hidden.new_empty(shape), hidden.new_empty(shape)
        context = AttentionContext(
            num_rows=num_rows,
            num_steps=num_steps,
            cosine=self.rotary.cosine[:num_steps, None],
            sine=self.rotary.sine[:num_steps, None],
            mask=self._causal_mask(0, num_steps),
            caches=[CacheView(_by_head(keys), _by_head(values), keys, values)] * len(self.layers),
        )
        return self.forward(hidden, context)

    def step(self, hidden: torch.Tensor, positions: torch.Tensor, length: int, first_row: int = 0) -> torch.Tensor:
        """One step of the rows from `first_row` on: `hidden` (rows, 1, hidden) at `positions` (rows,), all below
        `length`."""
        num_rows = len(hidden)
        rows = slice(first_row, first_row + num_rows)
        places = (self._rows[rows], positions[:, None])
        context = AttentionContext(
            num_rows=num_rows,
            num_steps=1,
            cosine=self.rotary.cosine[positions][:, None, None],
            sine=self.rotary.sine[positions][:, None, None],
            mask=(self._positions[:length] <= positions[:, None])[:, None, None],
            caches=[
                CacheView(_by_head(keys[rows, :length]), _by_head(values[rows, :length]), keys, values, places)
                for keys, values in zip(self.cache.keys, self.cache.values, strict=True)
            ],
        )
        return self.forward(hidden, context)

    def uniform(self, rows: slice, start: int, end: int) -> AttentionContext:
        """`rows` that are all at position `start` and continue to `end`; it may be reused."""
        fresh = (rows, slice(start, end))
        return AttentionContext(
            num_rows=rows.stop - rows.start,
            num_steps=end - start,
            cosine=self.rotary.cosine[start:end, None],
            sine=self.rotary.sine[start:end, None],
            mask=self._causal_mask(start, end),
            caches=[
                CacheView(_by_head(keys[rows, :end]), _by_head(values[rows, :end]), keys[fresh], values[fresh])
                for keys, values in zip(self.cache.keys, self.cache.values, strict=True)
            ],
        )

    def forward(self, hidden: torch.Tensor, context: AttentionContext) -> torch.Tensor:
        """`hidden` (rows, time, hidden) of the rows and positions of `context`: the last norm's output."""
        flat = hidden.reshape(-1, self.config.hidden_size)
        for layer, cache in zip(self.layers, context.caches, strict=True):
            flat = layer.forward(flat, context, cache)
        return self.norm(flat).view(hidden.shape)

    def _causal_mask(self, start: int, end: int) -> torch.Tensor | None:
        if end - start == 1:
            return None
        mask = self._positions[:end] <= self._positions[start:end, None]
        return mask.repeat(self._group_size, 1)[None, None]


def _by_head(cache: torch.Tensor) -> torch.Tensor:
    """(rows, length, kv heads, head dim) as attention takes it."""
    return cache.transpose(1, 2)
