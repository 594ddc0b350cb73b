"""Sound whose rate or channels may change on the way, brought to one form."""

import numpy as np
import soxr

from qwen_media.block import Block, Blocks, Samples


class Resampler:
    """Brings pieces of any rates to one. The pieces that come out are (frames, channels), those of the end last."""

    def __init__(self, rate_hz: int, num_channels: int) -> None:
        self._rate_hz = rate_hz
        self._num_channels = num_channels
        self._from_hz = rate_hz
        self._stream: soxr.ResampleStream | None = None

    def feed(self, samples: Samples, from_hz: int) -> Samples:
        """What is ready with these samples."""
        if from_hz == self._from_hz:
            return self._resampled(samples)
        rest = self.finish()
        self._from_hz = from_hz
        if from_hz != self._rate_hz:
            self._stream = soxr.ResampleStream(from_hz, self._rate_hz, self._num_channels, dtype="float32")
        return np.concatenate([rest, self._resampled(samples)])

    def finish(self) -> Samples:
        """What was kept back; others may be fed then."""
        if self._stream is None:
            return np.zeros((0, self._num_channels), np.float32)
        rest = self._resampled(np.zeros((0, self._num_channels), np.float32), last=True)
        self._stream, self._from_hz = None, self._rate_hz
        return rest

    def _resampled(self, samples: Samples, *, last: bool = False) -> Samples:
        if self._stream is None:
            return samples
        resampled = self._stream.resample_chunk(samples if self._num_channels > 1 else samples[:, 0], last=last)
        frames: Samples = resampled.reshape(-1, self._num_channels)
        return frames


def uniform(blocks: Blocks, rate_hz: int, num_channels: int) -> Blocks:
    """The blocks at one rate and with one number of channels: others are averaged, one is repeated."""
    resampler = Resampler(rate_hz, num_channels)
    for block in blocks:
        samples = resampler.feed(_with_channels(block.samples, num_channels), block.rate_hz)
        yield Block(samples, rate_hz, block.missing_s)
    yield Block(resampler.finish(), rate_hz)


def _with_channels(samples: Samples, num_channels: int) -> Samples:
    if samples.shape[1] == num_channels:
        return samples
    mono = samples.mean(axis=1, keepdims=True, dtype=np.float32)
    return np.repeat(mono, num_channels, axis=1)
