"""Settings of `qwen3_asr_stream`."""

from pydantic import Field

from qwen_engine.asr.settings import RecogniserSettings
from qwen_media.limits import SoundLimits

SAMPLE_BYTES = 4  # of raw samples: 32-bit floats


class CaptionSettings(RecogniserSettings):
    """`checkpoint` is qwen3_asr's, loaded once more: an engine process of its own keeps captions prompt."""

    max_streams: int = Field(64, ge=1, description="open live streams; further ones are refused with UNAVAILABLE")
    idle_timeout_s: float = Field(30.0, gt=0, description="time after which a stream without new chunks is dropped")
    max_segment_s: float = Field(30.0, ge=4, le=30, description="speech without pauses is cut at its quietest point")
    end_silence_s: float = Field(
        0.7, ge=0.2, le=3, description="silence that ends a segment; half of it after 12 s of speech"
    )
    min_step_s: float = Field(0.4, ge=0.1, description="minimum of new audio for a step; shorter chunks are buffered")
    rollback_tokens: int = Field(5, ge=0, description="last tokens of the partial text, decoded again in each step")
    max_chunk_s: float = Field(
        10.0, gt=0, description="longest chunk; 192,000 samples for each second, of all channels together"
    )
    max_stream_s: float = Field(10800.0, gt=0, description="longest stream")

    @property
    def sequence_timeout_s(self) -> float:
        return self.idle_timeout_s

    @property
    def max_chunk_bytes(self) -> int:
        """What no chunk can have more of, whatever its form."""
        return SoundLimits(self.max_chunk_s).max_samples * SAMPLE_BYTES
