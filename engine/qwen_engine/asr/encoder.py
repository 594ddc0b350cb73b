"""The audio encoder: one second of features at a time through the convolutions, attention within windows of eight.

Windows of a clip do not attend to each other. So the window is the unit here: windows of any clips and any lengths
share a forward, and a complete one is final, since later audio cannot change it.
"""

import math
from collections.abc import Sequence

import torch
from torch.nn.functional import conv2d, gelu, layer_norm, linear, scaled_dot_product_attention

from qwen_engine.asr.config import EncoderConfig
from qwen_engine.graphs import to_device
from qwen_engine.weights import WeightsBelow

NUM_CONVOLUTIONS = 3
CHUNKS_AT_ONCE = 64  # bounds the memory of the convolutions: 3 MB a chunk with the published channels in bfloat16
LONGEST_WAVE = 10000.0
NORM_EPS = 1e-5


class AudioEncoder:
    """Encoder and projector of a checkpoint; `weights` are those below "model.".

    Example:
        encoded = encoder([window for clip in log_mel(clips) for window in encoder.windows(clip)])
    """

    def __init__(self, config: EncoderConfig, weights: WeightsBelow) -> None:
        tower, projector = weights.below("audio_tower."), weights.below("multi_modal_projector.")
        self.config = config
        self._convolutions = [_with_bias(tower, f"conv2d{index + 1}") for index in range(NUM_CONVOLUTIONS)]
        self._stem_output = tower.take("conv_out.weight")
        self._layers = [_Layer(config, tower.below(f"layers.{index}.")) for index in range(config.num_layers)]
        self._norm = _with_bias(tower, "ln_post")
        self._projector = [_with_bias(projector, f"linear_{index}") for index in (1, 2)]
        self.dtype, self.device = self._stem_output.dtype, self._stem_output.device
        self._chunk_tokens = num_tokens(config.chunk_frames, config)
        self._positions = _sinusoids(self._chunk_tokens, config.hidden_size).to(self.device, self.dtype)

    def windows(self, features: torch.Tensor) -> list[torch.Tensor]:
        """The windows of one clip's features (frames, mel bins)."""
        return list(features.split(self.config.window_frames))

    @torch.inference_mode()
    def __call__(self, windows: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """(tokens, hidden) of each window (frames up to `window_frames`, mel bins), for the language model."""
        lengths = [num_tokens(len(window), self.config) for window in windows]
        hidden = self._stem(windows, lengths)
        packing = _Packing(lengths, self.device)
        for layer in self._layers:
            hidden = layer.forward(hidden, packing)
        hidden = layer_norm(hidden, hidden.shape[-1:], *self._norm, NORM_EPS)
        first, second = self._projector
        return list(linear(gelu(linear(hidden, *first)), *second).split(lengths))

    def _stem(self, windows: Sequence[torch.Tensor], lengths: Sequence[int]) -> torch.Tensor:
        """All windows' tokens one after another: (tokens, hidden)."""
        chunk = self.config.chunk_frames
        num_chunks = [-(-len(window) // chunk) for window in windows]
        frames = self._places([len(window) for window in windows], [chunk * count for count in num_chunks])
        padded = windows[0].new_zeros(chunk * sum(num_chunks), self.config.num_mel_bins)
        padded.index_copy_(0, frames, torch.cat(list(windows)))
        chunks = padded.to(self.dtype).view(-1, 1, chunk, self.config.num_mel_bins).transpose(2, 3)
        tokens = torch.cat([self._convolved(some) for some in chunks.split(CHUNKS_AT_ONCE)]) + self._positions
        return tokens.flatten(0, 1)[self._places(lengths, [self._chunk_tokens * count for count in num_chunks])]

    def _convolved(self, chunks: torch.Tensor) -> torch.Tensor:
        """(chunks, 1, mel bins, frames) -> (chunks, tokens, hidden)."""
        for weight, bias in self._convolutions:
            chunks = gelu(conv2d(chunks, weight, bias, stride=2, padding=1))
        return linear(chunks.permute(0, 3, 1, 2).flatten(2), self._stem_output)

    def _places(self, lengths: Sequence[int], rooms: Sequence[int]) -> torch.Tensor:
        return _places(lengths, rooms, self.device)


class _Packing:
    """Tokens of windows, one after another, and the same side by side in (windows, longest)."""

    def __init__(self, lengths: Sequence[int], device: torch.device) -> None:
        self.num_windows, self.longest = len(lengths), max(lengths)
        self.places: torch.Tensor | None = None
        self.mask: torch.Tensor | None = None
        if min(lengths) < self.longest:
            self.places = _places(lengths, [self.longest] * len(lengths), device)
            ends = to_device(torch.tensor(lengths), device)
            self.mask = (torch.arange(self.longest, device=device) < ends[:, None])[:, None, None]

    def spread(self, packed: torch.Tensor) -> torch.Tensor:
        """(tokens, width) -> (windows, longest, width)."""
        if self.places is not None:
            room = packed.new_zeros(self.num_windows * self.longest, packed.shape[-1])
            packed = room.index_copy_(0, self.places, packed)
        return packed.view(self.num_windows, self.longest, -1)

    def gather(self, spread: torch.Tensor) -> torch.Tensor:
        """(windows, longest, width) -> (tokens, width)."""
        flat = spread.flatten(0, 1)
        return flat if self.places is None else flat[self.places]


class _Layer:
    def __init__(self, config: EncoderConfig, weights: WeightsBelow) -> None:
        self._num_heads = config.num_heads
        self._qkv = tuple(
            weights.fused(f"self_attn.{name}_proj.{part}" for name in "qkv") for part in ("weight", "bias")
        )
        self._output = _with_bias(weights, "self_attn.out_proj")
        self._attention_norm = _with_bias(weights, "self_attn_layer_norm")
        self._up, self._down = _with_bias(weights, "fc1"), _with_bias(weights, "fc2")
        self._mlp_norm = _with_bias(weights, "final_layer_norm")

    def forward(self, hidden: torch.Tensor, packing: _Packing) -> torch.Tensor:
        width = hidden.shape[-1:]
        hidden = hidden + self._attend(layer_norm(hidden, width, *self._attention_norm, NORM_EPS), packing)
        inner = gelu(linear(layer_norm(hidden, width, *self._mlp_norm, NORM_EPS), *self._up))
        return hidden + linear(inner, *self._down)

    def _attend(self, normed: torch.Tensor, packing: _Packing) -> torch.Tensor:
        heads = packing.spread(linear(normed, *self._qkv)).unflatten(-1, (3, self._num_heads, -1))
        query, key, value = heads.permute(2, 0, 3, 1, 4)
        attended = scaled_dot_product_attention(query, key, value, attn_mask=packing.mask)
        return linear(packing.gather(attended.transpose(1, 2).flatten(2)), *self._output)


def num_tokens(num_frames: int, config: EncoderConfig) -> int:
    """How many tokens `num_frames` of one clip become: 13 a second."""
    whole, rest = divmod(num_frames, config.chunk_frames)
    return whole * _halved(config.chunk_frames) + _halved(rest)


def _halved(num_frames: int) -> int:
    """After the convolutions, each of which halves, rounding up."""
    for _ in range(NUM_CONVOLUTIONS):
        num_frames = (num_frames + 1) // 2
    return num_frames


def _places(lengths: Sequence[int], rooms: Sequence[int], device: torch.device) -> torch.Tensor:
    """Where items stand when each group of `lengths` begins a room of its own in `rooms`."""
    starts = torch.tensor([0, *rooms[:-1]]).cumsum(0) - torch.tensor([0, *lengths[:-1]]).cumsum(0)
    return to_device(torch.arange(sum(lengths)) + starts.repeat_interleave(torch.tensor(lengths)), device)


def _with_bias(weights: WeightsBelow, name: str) -> tuple[torch.Tensor, torch.Tensor]:
    return weights.take(f"{name}.weight"), weights.take(f"{name}.bias")


def _sinusoids(length: int, width: int) -> torch.Tensor:
    """(length, width): sines of `width` / 2 frequencies, then their cosines."""
    rates = torch.exp(-math.log(LONGEST_WAVE) / (width // 2 - 1) * torch.arange(width // 2).float())
    angles = torch.arange(length)[:, None] * rates
    return torch.cat((angles.sin(), angles.cos()), dim=1)
