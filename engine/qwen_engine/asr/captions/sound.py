"""The samples of a live stream, chunk by chunk: whatever their form, mono at the recogniser's rate."""

import numpy as np
import soxr

from qwen_engine.asr.vad.bands import SAMPLE_RATE_HZ
from qwen_engine.files import media_errors
from qwen_engine.samples import check_samples
from qwen_media.limits import SoundLimits
from qwen_media.sound import pcm_frames
from qwen_wire.errors import InvalidRequest
from qwen_wire.options import CaptionOptions

FULL_SCALE = np.float32(2**15)


class ChunkReader:
    """Reads the chunks of one stream, in the form its `options` state; how it is cut changes no sample.

    Channels are averaged.
    """

    def __init__(self, options: CaptionOptions) -> None:
        self._options = options
        self._resampler: soxr.ResampleStream | None = None
        if options.sample_rate_hz != SAMPLE_RATE_HZ:
            self._resampler = soxr.ResampleStream(options.sample_rate_hz, SAMPLE_RATE_HZ, 1, dtype="float32")
        self._num_frames = 0

    @property
    def duration_s(self) -> float:
        return self._num_frames / self._options.sample_rate_hz

    def read(self, audio: bytes, *, last: bool, max_s: float) -> np.ndarray:
        """Samples (n,) float32; the resampler holds some back until the `last` chunk.

        Raises:
            InvalidRequest: no whole frames, no sound, longer than `max_s`, or more samples than a file of that length
                may have; the chunk then has no effect.
        """
        mono = _mono(self._frames(audio, max_s))
        self._num_frames += len(mono)
        return mono if self._resampler is None else self._resampler.resample_chunk(mono, last=last)

    def _frames(self, audio: bytes, max_s: float) -> np.ndarray:
        """(frames, channels) as they came; their number is checked before they are processed."""
        rate_hz, num_channels = self._options.sample_rate_hz, self._options.num_channels
        with media_errors("AUDIO"):
            frames = pcm_frames(audio, self._options.audio_format, num_channels)
        duration_s = len(frames) / rate_hz
        if duration_s > max_s:
            raise InvalidRequest(f"AUDIO lasts {duration_s:.1f} s; a chunk may last up to {max_s:g} s")
        with media_errors("AUDIO"):
            SoundLimits(max_s).check_form(rate_hz, num_channels, len(frames))
        return frames


def _mono(frames: np.ndarray) -> np.ndarray:
    samples = frames.astype(np.float32)
    if frames.dtype.kind == "i":
        samples /= FULL_SCALE
    check_samples(samples)
    return samples.mean(axis=1, dtype=np.float32) if frames.shape[1] > 1 else samples[:, 0]
