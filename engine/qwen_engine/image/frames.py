"""A video VAE on single frames.

Of a causal 3-D kernel, only the last temporal slice applies to a single frame, the others to padding. As 2-D
convolutions, the same weights take half the time or less. Norms over the channels, a third of the rest on a CPU, are
sums of squares. The order of sums differs from diffusers' `autoencoder_kl_qwenimage.py`, and so do the last bits.
"""

import contextlib
from collections.abc import Iterator

from diffusers.models.autoencoders.autoencoder_kl_qwenimage import QwenImageCausalConv3d, QwenImageRMS_norm
from torch import Tensor
from torch.nn import functional

SMALLEST = 1e-24  # of a squared norm: `normalize` in diffusers' QwenImageRMS_norm limits the norm to 1e-12


@contextlib.contextmanager
def single_frames() -> Iterator[None]:
    """Within it, causal convolutions take exactly one frame and run in two dimensions, in all threads."""
    originals = QwenImageCausalConv3d.forward, QwenImageRMS_norm.forward
    QwenImageCausalConv3d.forward, QwenImageRMS_norm.forward = _convolve, _normalise
    try:
        yield
    finally:
        QwenImageCausalConv3d.forward, QwenImageRMS_norm.forward = originals


def _convolve(self: QwenImageCausalConv3d, frames: Tensor, cache_x: None = None) -> Tensor:
    kernel = self.weight[:, :, -1]
    return functional.conv2d(frames[:, :, 0], kernel, self.bias, padding=kernel.shape[-1] // 2)[:, :, None]


def _normalise(self: QwenImageRMS_norm, frames: Tensor) -> Tensor:
    squares = frames.float().square().sum(1, keepdim=True)
    scale = (squares.clamp_min(SMALLEST).rsqrt() * self.scale).to(frames.dtype)
    normed: Tensor = frames * scale * self.gamma + self.bias
    return normed
