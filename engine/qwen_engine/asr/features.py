"""Log-mel features, as the official extractor gives them for a clip alone."""

from collections.abc import Sequence

import numpy as np
import torch

from qwen_engine.asr.config import FeatureConfig

FLOOR = 1e-10
DYNAMIC_RANGE = 8.0  # powers of ten below a clip's loudest value
HIGHEST_HZ = 8000.0


class LogMel:
    """Turns samples into features on `device`; the clips of a call share only its transforms.

    Example:
        first, second = LogMel(config, "cpu")([samples, other_samples])  # each (frames, mel bins)
    """

    def __init__(self, config: FeatureConfig, device: str) -> None:
        self._config = config
        self._device = device
        self._window = torch.hann_window(config.num_fft, device=device)
        from transformers.audio_utils import mel_filter_bank  # loads for a second, and requests import this module

        filters = mel_filter_bank(
            config.num_fft // 2 + 1,
            config.num_mel_bins,
            0.0,
            HIGHEST_HZ,
            config.sample_rate_hz,
            norm="slaney",
            mel_scale="slaney",
        )
        self._filters = torch.from_numpy(filters).to(device, torch.float32)

    def __call__(self, clips: Sequence[np.ndarray]) -> list[torch.Tensor]:
        """(frames, mel bins) float32 of each clip (samples,), frames being whole hops."""
        return [scaled(powers, powers.max()) for powers in self.powers(clips)]

    def powers(self, clips: Sequence[np.ndarray]) -> list[torch.Tensor]:
        """Powers of ten, before `scaled`: those of a frame depend only on the samples around it."""
        hop = self._config.hop
        padded = [self._padded(clip) for clip in clips]
        samples = torch.from_numpy(np.concatenate(padded)).to(self._device)
        # One transform of all: what reaches across two clips belongs to neither and is left out below.
        spectra = torch.fft.rfft(samples.unfold(0, self._config.num_fft, hop) * self._window)
        powers = (spectra.abs() ** 2 @ self._filters).clamp(min=FLOOR).log10()
        starts = np.cumsum([0, *(len(one) // hop for one in padded)])
        return [powers[start : start + self._num_frames(clip)] for start, clip in zip(starts, clips, strict=False)]

    def _num_frames(self, clip: np.ndarray) -> int:
        return max(len(clip), self._config.min_samples) // self._config.hop

    def _padded(self, clip: np.ndarray) -> np.ndarray:
        """With silence up to the shortest length, mirrored at both ends, and in whole hops."""
        clip = np.pad(clip.astype(np.float32, copy=False), (0, max(0, self._config.min_samples - len(clip))))
        mirrored = np.pad(clip, self._config.num_fft // 2, mode="reflect")
        return np.pad(mirrored, (0, -len(mirrored) % self._config.hop))


def scaled(powers: torch.Tensor, peak: torch.Tensor) -> torch.Tensor:
    """The features of `powers` where the loudest value of the clip is `peak`."""
    return (torch.maximum(powers, peak - DYNAMIC_RANGE) + 4.0) / 4.0
