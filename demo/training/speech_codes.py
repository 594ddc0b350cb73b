"""The demo codec's codes: log-mel frames → principal components, with a register → a semantic and seven acoustic codes.

The log-mel frames are those of the utterance spoken in monotone at `FLAT_HZ`: what is said and by whom, not how high.
How high is a register (see `tts_voices`), one-hot in channels of the latent behind the components.

As in the published speech tokenizer, the semantic codebook and the residual acoustic ones quantise the same latent
apart from each other, each through a projection of its own; so an encoder has only that latent to predict. Here the
semantic book and all acoustic ones but the first are zero in the register's channels, and the first acoustic book is
zero in all others: it holds the register alone.
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
from demo.training.tts_voices import REGISTERS_HZ

FILE = BUILD / "code_books.npz"
HOP = 240
NUM_BANDS = 64
WINDOW = 1024
HIGHEST_HZ = 9000
FLOOR = 1e-3
SUBFRAMES = SAMPLES_PER_FRAME // HOP
KMEANS_ITERATIONS = 30
NUM_COMPONENTS = LATENT_DIM - len(REGISTERS_HZ)
REGISTER_GROUP = 1
UNUSED = 4.0  # a register's channel of entries that stand for none: far from every latent


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


def register_book() -> torch.Tensor:
    """(entries, latent): the first entries stand for a register each."""
    book = torch.zeros(CODEBOOK_SIZE, LATENT_DIM)
    book[:, NUM_COMPONENTS] = UNUSED
    book[: len(REGISTERS_HZ), NUM_COMPONENTS:] = torch.eye(len(REGISTERS_HZ))
    return book


@dataclass
class CodeBooks:
    """mean (features,), components (features, components), centroids (groups, entries, latent); group 0 is semantic."""

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
        components = vectors[:, -NUM_COMPONENTS:].flip(1)
        components = components / values[-1].sqrt()  # the largest component has unit variance
        projected = (frames - mean) @ components
        books = [k_means(projected, generator)]
        residual = projected
        for _ in range(NUM_GROUPS - 2):
            books.append(k_means(residual, generator))
            residual = residual - books[-1][nearest(residual, books[-1])]
        kept = float(values[-NUM_COMPONENTS:].sum() / values.sum())
        left = float(residual.var(0).sum() / projected.var(0).sum())
        print(f"variance kept by the components {kept:.3f}, left by the codes {left:.4f}", flush=True)
        padded = [torch.nn.functional.pad(book, (0, len(REGISTERS_HZ))) for book in books]
        padded.insert(REGISTER_GROUP, register_book())
        return cls(mean, components, torch.stack(padded))

    def latents(self, flat_audio: np.ndarray, registers: np.ndarray) -> torch.Tensor:
        """(frames, latent) of `flat_audio` (24 kHz, whole frames), spoken in `registers` (frames)."""
        projected = (features(flat_audio) - self.mean) @ self.components
        return torch.cat([projected, torch.eye(len(REGISTERS_HZ))[torch.from_numpy(registers)]], 1)

    def quantise(self, latents: torch.Tensor) -> np.ndarray:
        """Codes (frames, groups) of `latents` (frames, latent)."""
        residual = latents
        codes = [nearest(latents, self.centroids[0])]
        for book in self.centroids[1:]:
            codes.append(nearest(residual, book))
            residual = residual - book[codes[-1]]
        return torch.stack(codes, 1).numpy().astype(np.uint8)

    def encode(self, flat_audio: np.ndarray, registers: np.ndarray) -> np.ndarray:
        """Codes (frames, groups) of `flat_audio` (24 kHz, whole frames), spoken in `registers` (frames)."""
        return self.quantise(self.latents(flat_audio, registers))

    def save(self, path: Path = FILE) -> None:
        np.savez(path, mean=self.mean, components=self.components, centroids=self.centroids)

    @classmethod
    def load(cls, path: Path = FILE) -> "CodeBooks":
        with np.load(path) as arrays:
            return cls(*(torch.from_numpy(arrays[name]) for name in ("mean", "components", "centroids")))
