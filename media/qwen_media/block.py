"""Pieces of decoded sound."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Samples: TypeAlias = npt.NDArray[np.float32]
BLOCK_SAMPLES = 1 << 16  # of all channels together


@dataclass(frozen=True, slots=True)
class Block:
    """Samples (frames, channels), full scale 1, that follow those of the block before.

    `missing_s`: so many seconds, of the block or behind it, are missing in the file or could not be decoded. Where
    more sound comes after them they are silence, so that it is in time.
    """

    samples: Samples
    rate_hz: int
    missing_s: float = 0.0

    @property
    def num_channels(self) -> int:
        return self.samples.shape[1]

    @property
    def duration_s(self) -> float:
        return len(self.samples) / self.rate_hz


Blocks: TypeAlias = Iterator[Block]


def silence(num_frames: int, num_channels: int, rate_hz: int, *, is_missing: bool) -> Blocks:
    """As many frames, however many they are, in blocks of bounded size."""
    most = block_frames(num_channels)
    for start in range(0, num_frames, most):
        num = min(most, num_frames - start)
        yield Block(np.zeros((num, num_channels), np.float32), rate_hz, num / rate_hz if is_missing else 0.0)


def block_frames(num_channels: int) -> int:
    """How many frames make a block."""
    return max(1, BLOCK_SAMPLES // num_channels)


def joined(blocks: Blocks) -> Blocks:
    """The same in larger blocks: codecs give 10 to 100 ms at a time."""
    kept: list[Block] = []
    num_samples = 0
    for block in blocks:
        if kept and ((block.rate_hz, block.num_channels) != (kept[0].rate_hz, kept[0].num_channels)):
            yield _one(kept)
            kept, num_samples = [], 0
        kept.append(block)
        num_samples += block.samples.size
        if num_samples >= BLOCK_SAMPLES:
            yield _one(kept)
            kept, num_samples = [], 0
    if kept:
        yield _one(kept)


def _one(blocks: list[Block]) -> Block:
    if len(blocks) == 1:
        return blocks[0]
    samples = np.concatenate([block.samples for block in blocks])
    return Block(samples, blocks[0].rate_hz, sum(block.missing_s for block in blocks))
