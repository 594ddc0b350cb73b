"""Settings of `qwen3_aligner`."""

from pydantic import Field

from qwen_engine.settings import CheckpointSettings, FileSettings


class AlignerSettings(FileSettings, CheckpointSettings):
    max_batch: int = Field(16, ge=1, description="recordings in a batch")
    max_piece_s: float = Field(300.0, ge=5, le=300, description="longer recordings are aligned in windows")
    max_positions: int = Field(16384, ge=512, description="sound (13 a second), words and their marks in one piece")
    max_step_positions: int = Field(
        16384, ge=512, description="tokens of all pieces in one forward; one piece at least"
    )
    max_audio_s: float = Field(1200.0, gt=0, description="longest recording")
    max_text_chars: int = Field(100_000, ge=1)
