"""The demo codec's codes: log-mel frames → principal components → one semantic and seven acoustic codes.

As in the published speech tokenizer, the semantic codebook and the residual acoustic ones quantise the same latent
apart from each other, each through a projection of its own; so an encoder has only that latent to predict.
"""

import functools
from dataclasses import dataclass
from pathlib import Path

import librosa
import numpy as np
import torch

from demo.training.tts_config import (
    BUILD,
    CODEBOOK_SIZE,
    LATENT_DIM,
    NUM_GROUPS,
    SAMPLE_RATE_HZ,
    SAMPLES_PER_FRAME,
)

FILE = BUILD / "code_books.npz"
HOP = 240
NUM_BANDS = 64
WINDOW = 1024
HIGHEST_HZ = 9000
FLOOR = 1e-3
SUBFRAMES = SAMPLES_PER_FRAME // HOP
KMEANS_ITERATIONS = 30


@functools.cache
def _mel_filters() -> torch.Tensor:
    return torch.from_numpy(
        librosa.filters.mel(sr=SAMPLE_RATE_HZ, n_fft=WINDOW, n_mels=NUM_BANDS, fmin=40, fmax=HIGHEST_HZ, norm=None)
    )


def features(audio: np.ndarray) -> torch.Tensor:
    """Log-mel of the frames of `audio` (24 kHz, whole frames): (frames, sub-frames * bands)."""
    margin = (WINDOW - HOP) // 2
    padded = torch.nn.functional.pad(torch.from_numpy(audio), (margin, margin))
    spectrum = torch.stft(
        padded, WINDOW, HOP, window=torch.hann_window(WINDOW), center=False, return_complex=True
    ).abs()
    mel = _mel_filters() @ (spectrum / (WINDOW / 2))
    return mel.clamp(min=FLOOR).log().T.reshape(-1, SUBFRAMES * NUM_BANDS)


def nearest(points: torch.Tensor, centroids: torch.Tensor) -> torch.Tensor:
    """Index of the nearest of `centroids` (entries, dim) to each of `points` (count, dim)."""
    return ((centroids**2).sum(1) - 2 * points @ centroids.T).argmin(1)


def k_means(points: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """`CODEBOOK_SIZE` centroids of `points` (count, dim); one that lost all its points restarts at a random point."""
    centroids = points[torch.randperm(len(points), generator=generator)[:CODEBOOK_SIZE]]
    for _ in range(KMEANS_ITERATIONS):
        assigned = nearest(points, centroids)
        counts = torch.bincount(assigned, minlength=CODEBOOK_SIZE)
        sums = torch.zeros_like(centroids).index_add_(0, assigned, points)
        restarts = points[torch.randint(len(points), (CODEBOOK_SIZE,), generator=generator)]
        centroids = torch.where(counts[:, None] > 0, sums / counts.clamp(min=1)[:, None], restarts)
    return centroids


@dataclass
class CodeBooks:
    """mean (features,), components (features, latent), centroids (groups, entries, latent); group 0 is semantic."""

    mean: torch.Tensor
    components: torch.Tensor
    centroids: torch.Tensor

    @classmethod
    def fit(cls, frames: torch.Tensor, seed: int) -> "CodeBooks":
        """Principal components and centroids of `frames` (count, features)."""
        generator = torch.Generator().manual_seed(seed)
        mean = frames.mean(0)
        covariance = (frames - mean).T @ (frames - mean) / len(frames)
        values, vectors = torch.linalg.eigh(covariance)
        components = vectors[:, -LATENT_DIM:].flip(1)
        components = components / values[-1].sqrt()  # the largest component has unit variance
        latents = (frames - mean) @ components
        books = [k_means(latents, generator)]
        residual = latents
        for _ in range(NUM_GROUPS - 1):
            books.append(k_means(residual, generator))
            residual = residual - books[-1][nearest(residual, books[-1])]
        kept = float(values[-LATENT_DIM:].sum() / values.sum())
        left = float(residual.var(0).sum() / latents.var(0).sum())
        print(f"variance kept by the components {kept:.3f}, left by the codes {left:.4f}", flush=True)
        return cls(mean, components, torch.stack(books))

    def latents(self, audio: np.ndarray) -> torch.Tensor:
        """(frames, latent) of `audio` (24 kHz, whole frames)."""
        return (features(audio) - self.mean) @ self.components

    def encode(self, audio: np.ndarray) -> np.ndarray:
        """Codes (frames, groups) of `audio` (24 kHz, whole frames)."""
        residual = latents = self.latents(audio)
        codes = [nearest(latents, self.centroids[0])]
        for book in self.centroids[1:]:
            codes.append(nearest(residual, book))
            residual = residual - book[codes[-1]]
        return torch.stack(codes, 1).numpy().astype(np.uint8)

    def save(self, path: Path = FILE) -> None:
        np.savez(path, mean=self.mean, components=self.components, centroids=self.centroids)

    @classmethod
    def load(cls, path: Path = FILE) -> "CodeBooks":
        with np.load(path) as arrays:
            return cls(*(torch.from_numpy(arrays[name]) for name in ("mean", "components", "centroids")))
