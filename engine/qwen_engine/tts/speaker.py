"""The speaker encoder of Base checkpoints: the embedding of a recording's voice.

ECAPA-TDNN (Desplanques et al., 2020): dilated Res2Net blocks with squeeze and excitation over a log-mel spectrogram,
pooled by attention into a mean and a deviation.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch.nn.functional import conv1d, linear, pad, relu
from transformers.audio_utils import mel_filter_bank

from qwen_engine.weights import WeightsBelow

SAMPLE_RATE_HZ = 24000
WINDOW = 1024
HOP = 256
NUM_BANDS = 128
HIGHEST_HZ = 12000
MEL_FLOOR = 1e-5
POWER_FLOOR = 1e-9
VARIANCE_FLOOR = 1e-12
DEFAULTS = {"enc_channels": (512, 512, 512, 512, 1536), "enc_kernel_sizes": (5, 3, 3, 3, 1)} | {
    "enc_dilations": (1, 2, 3, 4, 1),
    "enc_res2net_scale": 8,
}  # of the official class; published configurations leave them out


def log_mel(samples: torch.Tensor) -> torch.Tensor:
    """(bands, frames) of `samples` (n,) float32 at 24 kHz."""
    filters = mel_filter_bank(
        WINDOW // 2 + 1, NUM_BANDS, 0.0, HIGHEST_HZ, SAMPLE_RATE_HZ, norm="slaney", mel_scale="slaney"
    )
    margin = (WINDOW - HOP) // 2
    padded = pad(samples[None, None], (margin, margin), mode="reflect")[0, 0]
    window = torch.hann_window(WINDOW, device=samples.device)
    spectrum = torch.stft(padded, WINDOW, HOP, window=window, center=False, return_complex=True)
    magnitude = (spectrum.real**2 + spectrum.imag**2 + POWER_FLOOR).sqrt()
    return (torch.from_numpy(filters.T).float().to(samples.device) @ magnitude).clamp(min=MEL_FLOOR).log()


class _Conv:
    """A convolution that keeps the length, reflecting at the ends."""

    def __init__(self, weights: WeightsBelow, dilation: int = 1) -> None:
        self.weight, self.bias = weights.take("weight"), weights.take("bias")
        self.dilation = dilation
        self._missing = (self.weight.shape[2] - 1) * dilation

    def __call__(self, hidden: torch.Tensor) -> torch.Tensor:
        if self._missing:
            before = self._missing // 2
            hidden = pad(hidden, (before, self._missing - before), mode="reflect")
        return conv1d(hidden, self.weight, self.bias, dilation=self.dilation)


class _Block:
    """TDNN, Res2Net, TDNN, squeeze and excitation."""

    def __init__(self, weights: WeightsBelow, scale: int, dilation: int) -> None:
        self._scale = scale
        self._first, self._last = _Conv(weights.below("tdnn1.conv.")), _Conv(weights.below("tdnn2.conv."))
        self._parts = [
            _Conv(weights.below(f"res2net_block.blocks.{index}.conv."), dilation) for index in range(scale - 1)
        ]
        self._squeeze, self._excite = (_Conv(weights.below(f"se_block.conv{index}.")) for index in (1, 2))

    def __call__(self, hidden: torch.Tensor) -> torch.Tensor:
        branch = relu(self._last(self._res2net(relu(self._first(hidden)))))
        gate = self._excite(relu(self._squeeze(branch.mean(dim=2, keepdim=True)))).sigmoid()
        return hidden + branch * gate

    def _res2net(self, hidden: torch.Tensor) -> torch.Tensor:
        first, *parts = hidden.chunk(self._scale, dim=1)
        outputs = [first]
        for index, (part, conv) in enumerate(zip(parts, self._parts, strict=True)):
            outputs.append(relu(conv(part if index == 0 else part + outputs[-1])))
        return torch.cat(outputs, dim=1)


class SpeakerEncoder:
    """Example: `SpeakerEncoder(config["speaker_encoder_config"], weights.below("speaker_encoder."))(samples)`"""

    def __init__(self, config: Mapping[str, Any], weights: WeightsBelow) -> None:
        known = {**DEFAULTS, **config}
        dilations = known["enc_dilations"]
        self._stem = _Conv(weights.below("blocks.0.conv."), dilations[0])
        self._blocks = [
            _Block(weights.below(f"blocks.{index}."), known["enc_res2net_scale"], dilation)
            for index, dilation in enumerate(dilations[1:-1], start=1)
        ]
        self._aggregation = _Conv(weights.below("mfa.conv."), dilations[-1])
        self._pooling_tdnn = _Conv(weights.below("asp.tdnn.conv."))
        self._pooling_conv = _Conv(weights.below("asp.conv."))
        self._output = (weights.take("fc.weight")[..., 0], weights.take("fc.bias"))

    @torch.inference_mode()
    def __call__(self, samples: np.ndarray) -> torch.Tensor:
        """The voice of `samples` (n,) float32 at 24 kHz: (hidden,)."""
        weight = self._output[0]
        hidden = log_mel(torch.from_numpy(samples).to(weight.device)).to(weight.dtype)[None]
        outputs = [relu(self._stem(hidden))]
        for block in self._blocks:
            outputs.append(block(outputs[-1]))
        return linear(self._pool(relu(self._aggregation(torch.cat(outputs[1:], dim=1)))), *self._output)[0]

    def _pool(self, hidden: torch.Tensor) -> torch.Tensor:
        """Mean and deviation over time, weighted by attention: (1, 2 * channels)."""
        even = hidden.new_full((1, 1, hidden.shape[2]), 1 / hidden.shape[2])
        around = [statistic[..., None].expand_as(hidden) for statistic in _statistics(hidden, even)]
        scores = self._pooling_conv(relu(self._pooling_tdnn(torch.cat((hidden, *around), dim=1))).tanh())
        return torch.cat(_statistics(hidden, scores.softmax(dim=2)), dim=1)


def _statistics(hidden: torch.Tensor, shares: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    mean = (shares * hidden).sum(dim=2)
    variance = (shares * (hidden - mean[..., None]) ** 2).sum(dim=2)
    return mean, variance.clamp(min=VARIANCE_FLOOR).sqrt()
