"""The speech tokenizer's decoder for streams: codes in, samples out, equal to one decode of all codes.

All layers are causal, so each one caches only the inputs it looks back at: a convolution
its last (kernel - 1) * dilation, a transposed convolution its last one, attention the keys and values of its window.
Nothing is decoded twice or cross-faded, and the cost of a frame does not depend on its position.
Every stream owns a slot of each cache, so streams at different positions share a forward.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.functional import (
    conv1d,
    embedding_bag,
    gelu,
    layer_norm,
    linear,
    rms_norm,
    scaled_dot_product_attention,
    silu,
)

from qwen_engine.weights import WeightsBelow

CODEBOOK_EPSILON = (
    1e-5  # floor of a code's usage count: qwen-tts, core/tokenizer_12hz/modeling_qwen3_tts_tokenizer_v2.py
)
SNAKE_EPSILON = 1e-9
CONVNEXT_EPSILON = 1e-6
DILATIONS = (1, 3, 9)
# What upstream's classes take for keys that a file leaves out: qwen-tts 0.1.1,
# core/tokenizer_12hz/configuration_qwen3_tts_tokenizer_v2.py.
DEFAULTS = {
    "num_quantizers": 16,
    "num_hidden_layers": 8,
    "num_attention_heads": 16,
    "num_key_value_heads": 16,
    "hidden_size": 1024,
    "sliding_window": 72,
    "rope_theta": 10000.0,
    "rms_norm_eps": 1e-5,
    "upsampling_ratios": (2, 2),
    "upsample_rates": (8, 5, 4, 3),
}
DEFAULT_SAMPLE_RATE_HZ = 24000


@dataclass(frozen=True)
class CodecConfig:
    """The `decoder_config` of a published speech tokenizer."""

    num_groups: int
    num_layers: int
    num_heads: int
    head_dim: int
    window: int
    rope_theta: float
    norm_eps: float
    upsampling_ratios: tuple[int, ...]
    upsample_rates: tuple[int, ...]
    sample_rate_hz: int

    @classmethod
    def from_json(cls, config: Mapping[str, Any]) -> "CodecConfig":
        decoder = DEFAULTS | (config.get("decoder_config") or {})
        if decoder["num_attention_heads"] != decoder["num_key_value_heads"]:
            raise ValueError("a speech tokenizer with grouped-query attention is not supported")
        return cls(
            num_groups=decoder["num_quantizers"],
            num_layers=decoder["num_hidden_layers"],
            num_heads=decoder["num_attention_heads"],
            head_dim=decoder.get("head_dim") or decoder["hidden_size"] // decoder["num_attention_heads"],
            window=decoder["sliding_window"],
            rope_theta=float(decoder["rope_theta"]),
            norm_eps=decoder["rms_norm_eps"],
            upsampling_ratios=tuple(decoder["upsampling_ratios"]),
            upsample_rates=tuple(decoder["upsample_rates"]),
            sample_rate_hz=config.get("output_sample_rate", DEFAULT_SAMPLE_RATE_HZ),
        )


class _InputCache:
    """One layer's last inputs of every stream: (slots, channels, last inputs)."""

    def __init__(self, num_slots: int, num_channels: int, length: int, like: torch.Tensor) -> None:
        self.length = length
        self.inputs = like.new_zeros(num_slots, num_channels, length)

    def extend(self, hidden: torch.Tensor, slots: torch.Tensor) -> torch.Tensor:
        """`hidden` (streams, channels, time) with its past before it; caches the end."""
        if self.length == 0:
            return hidden
        extended = torch.cat((self.inputs[slots], hidden), dim=-1)
        self.inputs[slots] = extended[..., -self.length :]
        return extended


class _Conv:
    """A causal convolution."""

    def __init__(self, weights: WeightsBelow, num_slots: int, *, dilation: int = 1, groups: int = 1) -> None:
        self.weight, self.bias = weights.take("conv.weight"), weights.take("conv.bias")
        self.dilation, self.groups = dilation, groups
        num_channels, kernel = self.weight.shape[1] * groups, self.weight.shape[2]
        self.cache = _InputCache(num_slots, num_channels, (kernel - 1) * dilation, self.weight)

    def forward(self, hidden: torch.Tensor, slots: torch.Tensor) -> torch.Tensor:
        hidden = self.cache.extend(hidden, slots)
        return conv1d(hidden, self.weight, self.bias, dilation=self.dilation, groups=self.groups)


class _Pointwise:
    """A convolution with kernel size 1: a matrix product, several times faster than a convolution on a CPU."""

    def __init__(self, weights: WeightsBelow) -> None:
        self.weight, self.bias = weights.take("conv.weight")[..., 0], weights.take("conv.bias")[:, None]

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        return torch.baddbmm(self.bias, self.weight.expand(len(hidden), -1, -1), hidden)


class _Upsample:
    """A causal transposed convolution, as a plain one over this input and the last, `stride` outputs each.

    Its kernel is `stride` long (no look back) or twice that.
    """

    def __init__(self, weights: WeightsBelow, num_slots: int, stride: int) -> None:
        weight, bias = weights.take("conv.weight"), weights.take("conv.bias")
        num_in, num_out, kernel = weight.shape
        self.stride, self.num_out = stride, num_out
        taps = weight.view(num_in, num_out, kernel // stride, stride).flip(2)  # the earlier input comes first
        self.taps = taps.permute(2, 1, 3, 0).reshape(kernel // stride, num_out * stride, num_in).contiguous()
        self.bias = bias.repeat_interleave(stride)[:, None]
        self.cache = _InputCache(num_slots, num_in, kernel // stride - 1, weight)

    def forward(self, hidden: torch.Tensor, slots: torch.Tensor) -> torch.Tensor:
        num_streams, _, num_steps = hidden.shape
        extended = self.cache.extend(hidden, slots)
        wide = self.bias
        for index, tap in enumerate(self.taps):
            wide = torch.baddbmm(wide, tap.expand(num_streams, -1, -1), extended[..., index : index + num_steps])
        spread = wide.view(num_streams, self.num_out, self.stride, num_steps).transpose(2, 3)
        return spread.reshape(num_streams, self.num_out, num_steps * self.stride)


class _Snake:
    """x + sin²(a x) / b, with a and b of each channel learnt as logarithms."""

    def __init__(self, weights: WeightsBelow) -> None:
        self.frequency = weights.take("alpha").exp()[:, None]
        self.size = 1.0 / (weights.take("beta").exp() + SNAKE_EPSILON)[:, None]

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        wave = (hidden * self.frequency).sin_().square_()
        return torch.addcmul(hidden, wave, self.size, out=wave)


class _ConvNext:
    def __init__(self, weights: WeightsBelow, num_slots: int) -> None:
        gamma = weights.take("gamma")
        self.depthwise = _Conv(weights.below("dwconv."), num_slots, groups=len(gamma))
        self.norm = (weights.take("norm.weight"), weights.take("norm.bias"))
        self.wide = (weights.take("pwconv1.weight"), weights.take("pwconv1.bias"))
        self.narrow = (gamma[:, None] * weights.take("pwconv2.weight"), gamma * weights.take("pwconv2.bias"))

    def forward(self, hidden: torch.Tensor, slots: torch.Tensor) -> torch.Tensor:
        branch = self.depthwise.forward(hidden, slots).transpose(1, 2)
        branch = layer_norm(branch, branch.shape[-1:], *self.norm, eps=CONVNEXT_EPSILON)
        branch = linear(gelu(linear(branch, *self.wide)), *self.narrow)
        return hidden + branch.transpose(1, 2)


class _Residual:
    def __init__(self, weights: WeightsBelow, num_slots: int, dilation: int) -> None:
        self.first_snake, self.second_snake = _Snake(weights.below("act1.")), _Snake(weights.below("act2."))
        self.dilated = _Conv(weights.below("conv1."), num_slots, dilation=dilation)
        self.pointwise = _Pointwise(weights.below("conv2."))

    def forward(self, hidden: torch.Tensor, slots: torch.Tensor) -> torch.Tensor:
        branch = self.dilated.forward(self.first_snake.forward(hidden), slots)
        return self.pointwise.forward(self.second_snake.forward(branch)).add_(hidden)


class _Block:
    """Snake, upsampling, three dilated residual units."""

    def __init__(self, weights: WeightsBelow, num_slots: int, stride: int) -> None:
        self.snake = _Snake(weights.below("block.0."))
        self.upsample = _Upsample(weights.below("block.1."), num_slots, stride)
        self.units = [
            _Residual(weights.below(f"block.{index}."), num_slots, dilation)
            for index, dilation in enumerate(DILATIONS, start=2)
        ]

    def forward(self, hidden: torch.Tensor, slots: torch.Tensor) -> torch.Tensor:
        hidden = self.upsample.forward(self.snake.forward(hidden), slots)
        for unit in self.units:
            hidden = unit.forward(hidden, slots)
        return hidden


@dataclass(frozen=True)
class _AttentionContext:
    """Positions and mask of one forward: cosine, sine (streams, 1, time, dim); mask (streams, 1, time, keys)."""

    cosine: torch.Tensor
    sine: torch.Tensor
    mask: torch.Tensor


class _TransformerLayer:
    """Attention over a sliding window and SwiGLU, each with a learnt scale (folded into its last product)."""

    def __init__(self, config: CodecConfig, weights: WeightsBelow, num_slots: int) -> None:
        self.config = config
        self.qkv = weights.fused(f"self_attn.{name}_proj.weight" for name in "qkv")
        self.output = weights.take("self_attn_layer_scale.scale")[:, None] * weights.take("self_attn.o_proj.weight")
        self.gate_up = weights.fused(("mlp.gate_proj.weight", "mlp.up_proj.weight"))
        self.down = weights.take("mlp_layer_scale.scale")[:, None] * weights.take("mlp.down_proj.weight")
        self.attention_norm = weights.take("input_layernorm.weight")
        self.mlp_norm = weights.take("post_attention_layernorm.weight")
        shape = (num_slots, config.num_heads, config.window - 1, config.head_dim)
        self.keys, self.values = self.qkv.new_zeros(shape), self.qkv.new_zeros(shape)

    def forward(self, hidden: torch.Tensor, slots: torch.Tensor, context: _AttentionContext) -> torch.Tensor:
        width, eps = hidden.shape[-1:], self.config.norm_eps
        attended = self._attend(rms_norm(hidden, width, self.attention_norm, eps), slots, context)
        hidden = hidden + linear(attended, self.output)
        gate, up = linear(rms_norm(hidden, width, self.mlp_norm, eps), self.gate_up).chunk(2, dim=-1)
        return hidden + linear(silu(gate) * up, self.down)

    def _attend(self, normed: torch.Tensor, slots: torch.Tensor, context: _AttentionContext) -> torch.Tensor:
        num_streams, num_steps, _ = normed.shape
        heads = linear(normed, self.qkv).view(num_streams, num_steps, 3, self.config.num_heads, self.config.head_dim)
        query, key, value = heads.permute(2, 0, 3, 1, 4)
        query, key = _rotate(query, context), _rotate(key, context)
        key, value = _append(self.keys, key, slots), _append(self.values, value, slots)
        attended = scaled_dot_product_attention(query, key, value, attn_mask=context.mask)
        return attended.transpose(1, 2).reshape(num_streams, num_steps, -1)


def _rotate(states: torch.Tensor, context: _AttentionContext) -> torch.Tensor:
    return torch.addcmul(states * context.cosine, states.roll(states.shape[-1] // 2, -1), context.sine)


def _append(cache: torch.Tensor, fresh: torch.Tensor, slots: torch.Tensor) -> torch.Tensor:
    """`fresh` (streams, heads, time, dim) after the cached states of the slots, which keep the last window."""
    extended = torch.cat((cache[slots], fresh), dim=2)
    cache[slots] = extended[:, :, -cache.shape[2] :]
    return extended


class _Transformer:
    def __init__(self, config: CodecConfig, weights: WeightsBelow, num_slots: int) -> None:
        self.config = config
        self.layers = [
            _TransformerLayer(config, weights.below(f"layers.{index}."), num_slots)
            for index in range(config.num_layers)
        ]
        self.input = (weights.take("input_proj.weight"), weights.take("input_proj.bias"))
        self.output = (weights.take("output_proj.weight"), weights.take("output_proj.bias"))
        self.norm = weights.take("norm.weight")
        exponents = torch.arange(0, config.head_dim, 2, dtype=torch.int64).float() / config.head_dim
        self._frequencies = (1.0 / config.rope_theta**exponents).to(self.norm.device)

    def forward(self, hidden: torch.Tensor, slots: torch.Tensor, starts: torch.Tensor) -> torch.Tensor:
        """`hidden` (streams, channels, time), whose first steps are at `starts` (streams,)."""
        context = self._context(starts, hidden.shape[-1])
        hidden = linear(hidden.transpose(1, 2), *self.input)
        for layer in self.layers:
            hidden = layer.forward(hidden, slots, context)
        hidden = rms_norm(hidden, hidden.shape[-1:], self.norm, self.config.norm_eps)
        return linear(hidden, *self.output).transpose(1, 2)

    def _context(self, starts: torch.Tensor, num_steps: int) -> _AttentionContext:
        steps = torch.arange(num_steps, device=starts.device)
        past = self.config.window - 1
        angles = (starts[:, None] + steps)[:, None, :, None] * self._frequencies
        keys = torch.arange(past + num_steps, device=starts.device) - past  # relative to the first step
        age = steps[:, None] - keys
        in_window = (age >= 0) & (age <= past)
        mask = in_window & (keys >= -starts[:, None, None])  # entries from before the start are empty
        dtype = self.norm.dtype
        return _AttentionContext(
            cosine=torch.cat((angles.cos(), angles.cos()), dim=-1).to(dtype),
            sine=torch.cat((-angles.sin(), angles.sin()), dim=-1).to(dtype),
            mask=mask[:, None],
        )


class StreamingCodec:
    """Decodes many streams, each in a slot of its own.

    Example:
        codec = StreamingCodec(config, weights.below("decoder."), num_slots=16)
        codec.reset(3)
        samples = codec.decode(codes, [3])  # codes (1, frames, groups) -> (1, frames * 1920)
    """

    def __init__(self, config: CodecConfig, weights: WeightsBelow, *, num_slots: int) -> None:
        self.config = config
        self._tables = _code_tables(config, weights.below("quantizer."))
        self.device = self._tables.device
        entries = len(self._tables) // config.num_groups
        self._offsets = torch.arange(config.num_groups, device=self.device) * entries
        self._frames = torch.zeros(num_slots, dtype=torch.int64, device=self.device)
        self._build(weights, num_slots)
        self._caches = list(_caches(self))
        self.samples_per_frame = 1
        for factor in (*config.upsampling_ratios, *config.upsample_rates):
            self.samples_per_frame *= factor

    def _build(self, weights: WeightsBelow, num_slots: int) -> None:
        config = self.config
        self._pre_conv = _Conv(weights.below("pre_conv."), num_slots)
        self._transformer = _Transformer(config, weights.below("pre_transformer."), num_slots)
        self._stages: list[_Upsample | _ConvNext | _Conv | _Block] = []
        for index, ratio in enumerate(config.upsampling_ratios):
            below = weights.below(f"upsample.{index}.")
            self._stages += [_Upsample(below.below("0."), num_slots, ratio), _ConvNext(below.below("1."), num_slots)]
        self._stages.append(_Conv(weights.below("decoder.0."), num_slots))
        for index, rate in enumerate(config.upsample_rates, start=1):
            self._stages.append(_Block(weights.below(f"decoder.{index}."), num_slots, rate))
        last = len(config.upsample_rates) + 1
        self._last_snake = _Snake(weights.below(f"decoder.{last}."))
        self._last_conv = _Conv(weights.below(f"decoder.{last + 1}."), num_slots)

    def reset(self, slot: int) -> None:
        """Begin a new stream in `slot`."""
        self._frames[slot] = 0
        for cache in self._caches:
            cache[slot] = 0

    def snapshot(self, slot: int) -> list[torch.Tensor]:
        """The state of the stream in `slot`, for `restore`."""
        return [cache[slot].clone() for cache in (self._frames, *self._caches)]

    def restore(self, slot: int, snapshot: Sequence[torch.Tensor]) -> None:
        """Continue in `slot` from the state of another stream."""
        for cache, saved in zip((self._frames, *self._caches), snapshot, strict=True):
            cache[slot] = saved

    @torch.inference_mode()
    def decode(self, codes: torch.Tensor, slots: torch.Tensor) -> torch.Tensor:
        """The next `codes` (streams, frames, groups) of the streams in `slots` (streams,): (streams, samples)."""
        num_streams, num_frames, _ = codes.shape
        hidden = embedding_bag((codes + self._offsets).view(num_streams * num_frames, -1), self._tables, mode="sum")
        hidden = self._pre_conv.forward(hidden.view(num_streams, num_frames, -1).transpose(1, 2), slots)
        hidden = self._transformer.forward(hidden, slots, self._frames[slots])
        self._frames[slots] += num_frames
        for stage in self._stages:
            hidden = stage.forward(hidden, slots)
        return self._last_conv.forward(self._last_snake.forward(hidden), slots).squeeze(1).clamp(-1, 1)


def _code_tables(config: CodecConfig, weights: WeightsBelow) -> torch.Tensor:
    """The term of each code of each group in the first hidden state: (groups * entries, channels)."""
    semantic, acoustic = weights.below("rvq_first."), weights.below("rvq_rest.")
    books = [(semantic, 0)] + [(acoustic, index) for index in range(config.num_groups - 1)]
    tables = []
    for quantizer, index in books:
        book = quantizer.below(f"vq.layers.{index}._codebook.")
        usage = book.take("cluster_usage").clamp(min=CODEBOOK_EPSILON)
        centroids = book.take("embedding_sum") / usage[:, None]
        tables.append(linear(centroids, quantizer.take("output_proj.weight")[..., 0]))
    return torch.cat(tables)


def _caches(part: Any) -> Iterator[torch.Tensor]:
    """The caches of the layers below `part`, one row a slot."""
    if isinstance(part, list):
        for item in part:
            yield from _caches(item)
    elif isinstance(part, _InputCache):
        yield part.inputs
    elif type(part).__module__ == __name__:
        if isinstance(part, _TransformerLayer):
            yield from (part.keys, part.values)
        for item in vars(part).values():
            yield from _caches(item)
