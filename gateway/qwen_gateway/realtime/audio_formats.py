"""Sound as the Realtime API carries it: 24 kHz PCM16, or G.711 at 8 kHz."""

from typing import Literal

import av
import numpy as np
import numpy.typing as npt

from qwen_gateway.realtime import g711
from qwen_gateway.sound_encoder import pcm16

FormatName = Literal["audio/pcm", "audio/pcmu", "audio/pcma"]
RATES_HZ: dict[FormatName, int] = {"audio/pcm": 24_000, "audio/pcmu": 8_000, "audio/pcma": 8_000}
LAWS: dict[FormatName, g711.Law] = {"audio/pcmu": "pcmu", "audio/pcma": "pcma"}
SAMPLE_BYTES = 2


def decoded_pcm(data: bytes, name: FormatName) -> bytes:
    """16-bit little-endian samples, at the format's rate. A byte that is half a sample is dropped."""
    if name in LAWS:
        return g711.decode(data, LAWS[name]).astype("<i2").tobytes()
    return data[: len(data) // SAMPLE_BYTES * SAMPLE_BYTES]


class SpeechEncoder:
    """Encodes mono speech, -1 to 1, piece by piece."""

    def __init__(self, name: FormatName, source_rate_hz: int) -> None:
        self._law = LAWS.get(name)
        self._rate_hz = RATES_HZ[name]
        self._source_rate_hz = source_rate_hz
        self._resampler: av.AudioResampler | None = None
        if source_rate_hz != self._rate_hz:
            self._resampler = av.AudioResampler(format="s16", layout="mono", rate=self._rate_hz)
        self.num_samples = 0

    @property
    def encoded_ms(self) -> float:
        return 1000 * self.num_samples / self._rate_hz

    def encode(self, samples: npt.NDArray[np.float32]) -> bytes:
        pcm = pcm16(samples)
        if self._resampler is None:
            return self._coded(pcm)
        frame = av.AudioFrame.from_ndarray(pcm[None], format="s16", layout="mono")
        frame.sample_rate = self._source_rate_hz
        return self._resampled(frame)

    def finish(self) -> bytes:
        return self._resampled(None) if self._resampler is not None else b""

    def _resampled(self, frame: av.AudioFrame | None) -> bytes:
        assert self._resampler is not None
        return b"".join(self._coded(part.to_ndarray()[0]) for part in self._resampler.resample(frame))

    def _coded(self, pcm: npt.NDArray[np.int16]) -> bytes:
        self.num_samples += len(pcm)
        return pcm.astype("<i2").tobytes() if self._law is None else g711.encode(np.ascontiguousarray(pcm), self._law)
