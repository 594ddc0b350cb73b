"""The encoder's state for one clip, which may grow: complete windows are encoded once.

Features are scaled by the loudest moment of their clip; for a running segment, of the audio so far. A window that is
encoded keeps the scale it had then, so embeddings of a running segment may differ from those of the finished one. They
are used for partial text only: a finished segment is encoded anew.
"""

from collections.abc import Sequence

import numpy as np
import torch

from qwen_engine.asr.config import AsrConfig
from qwen_engine.asr.features import scaled


class StreamingEncoderState:
    """What has been encoded of one clip."""

    def __init__(self, config: AsrConfig) -> None:
        features = config.features
        self._hop = features.hop
        self._reach = features.num_fft // 2  # of a frame, on either side
        # more than a frame's reach, and no clip is short
        self._context_frames = -(-features.min_samples // features.hop)
        self._window_frames = config.encoder.window_frames
        self._sealed: list[torch.Tensor] = []
        self._peak = torch.tensor(-torch.inf)

    @property
    def _num_sealed_frames(self) -> int:
        return len(self._sealed) * self._window_frames

    def tail(self, samples: np.ndarray) -> np.ndarray:
        """The part of the clip's `samples` (n,) so far that is not encoded, with its context."""
        return samples[(self._num_sealed_frames - self._context()) * self._hop :]

    def windows(self, powers: torch.Tensor) -> list[torch.Tensor]:
        """The windows to encode, of the tail's powers (frames, mel bins)."""
        fresh = powers[self._context() :]
        self._peak = torch.maximum(self._peak.to(powers.device), fresh.max())
        return list(scaled(fresh, self._peak).split(self._window_frames))

    def take(self, encoded: Sequence[torch.Tensor], num_samples: int) -> torch.Tensor:
        """(tokens, hidden) of the whole clip, `num_samples` long so far, whose last windows are `encoded`."""
        whole = torch.cat([*self._sealed, *encoded])
        num_complete = ((num_samples - self._reach) // self._hop + 1) // self._window_frames
        self._sealed += encoded[: max(0, num_complete - len(self._sealed))]
        return whole

    def _context(self) -> int:
        """Frames before the tail that the windows of its first ones reach into."""
        return min(self._context_frames, self._num_sealed_frames)
