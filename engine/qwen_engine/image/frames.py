"""A VAE for videos on single frames.

Of every causal 3-D kernel a single frame meets the last temporal slice only, the others meet padding. The same weights
as 2-D convolutions do the same in half the time and less; sums are in another order, so their last bits differ.
"""

import contextlib
from collections.abc import Iterator

from diffusers.models.autoencoders.autoencoder_kl_qwenimage import QwenImageCausalConv3d
from torch import Tensor
from torch.nn import functional


@contextlib.contextmanager
def single_frames() -> Iterator[None]:
    """Within it, causal convolutions take exactly one frame and run in two dimensions, in all threads."""

    def forward(self: QwenImageCausalConv3d, frames: Tensor, cache_x: None = None) -> Tensor:
        kernel = self.weight[:, :, -1]
        return functional.conv2d(frames[:, :, 0], kernel, self.bias, padding=kernel.shape[-1] // 2)[:, :, None]

    original = QwenImageCausalConv3d.forward
    QwenImageCausalConv3d.forward = forward
    try:
        yield
    finally:
        QwenImageCausalConv3d.forward = original
