"""The samples of a live stream, chunk by chunk: whatever their form, mono at the recogniser's rate."""

import numpy as np
import soxr

from qwen_engine.asr.request import SAMPLE_RATE_HZ, check_samples
from qwen_engine.audio import pcm_frames
from qwen_engine.errors import InvalidRequest
from qwen_engine.options import CaptionOptions

FULL_SCALE = np.float32(2**15)


class ChunkReader:
    """Reads the chunks of one stream, in the form its `options` state; where it is cut changes no sample.

    Channels are averaged.
    """

    def __init__(self, options: CaptionOptions) -> None:
        self._options = options
        self._resampler: soxr.ResampleStream | None = None
        if options.sample_rate_hz != SAMPLE_RATE_HZ:
            self._resampler = soxr.ResampleStream(options.sample_rate_hz, SAMPLE_RATE_HZ, 1, dtype="float32")
        self._num_frames = 0

    @property
    def heard_s(self) -> float:
        return self._num_frames / self._options.sample_rate_hz

    def read(self, audio: bytes, *, last: bool, max_s: float) -> np.ndarray:
        """Samples (n,) float32; the resampler keeps some back until the `last` chunk.

        Raises:
            InvalidRequest: no whole frames, no sound, or longer than `max_s`; the chunk is then as if never sent.
        """
        mono = self._mono(audio)
        duration_s = len(mono) / self._options.sample_rate_hz
        if duration_s > max_s:
            raise InvalidRequest(f"AUDIO lasts {duration_s:.1f} s; a chunk may last up to {max_s:g} s")
        check_samples(mono)
        self._num_frames += len(mono)
        return mono if self._resampler is None else self._resampler.resample_chunk(mono, last=last)

    def _mono(self, audio: bytes) -> np.ndarray:
        try:
            frames = pcm_frames(audio, self._options.audio_format, self._options.num_channels)
        except InvalidRequest as error:
            raise InvalidRequest(f"AUDIO {error}") from error
        mono = frames.mean(axis=1, dtype=np.float32) if frames.shape[1] > 1 else frames[:, 0].astype(np.float32)
        return mono / FULL_SCALE if frames.dtype.kind == "i" else mono
