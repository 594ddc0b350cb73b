"""Settings of `qwen3_asr`, and what they share with those of live captions."""

import importlib.util
from typing import Literal

from pydantic import Field

from qwen_engine.settings import CheckpointSettings, FileSettings, Missing

VadMethod = Literal["energy", "silero"]


class RecogniserSettings(CheckpointSettings):
    """What recordings and live streams share."""

    max_batch: int = Field(16, ge=1, description="pieces of recordings in a batch")
    max_positions: int = Field(2048, ge=256, description="context, sound (13 a second) and text of one piece")
    max_step_audio_s: float = Field(30.0, gt=0, description="audio encoded between two steps; a piece at least")
    vad_method: VadMethod = Field("energy", description="speech detector; 'silero' needs the extra of that name")

    def missing_files(self) -> list[Missing]:
        if self.vad_method == "energy" or importlib.util.find_spec("silero_vad"):
            return []
        return [Missing("vad_method is 'silero', but silero-vad is not installed", "pip install 'silero-vad>=6.2.3'")]


class AsrSettings(FileSettings, RecogniserSettings):
    max_step_audio_s: float = Field(10.0, gt=0, description="audio encoded between two steps; a window of 8 s at least")
    max_piece_s: float = Field(30.0, ge=2, le=30, description="longer recordings are cut at pauses")
    max_requests: int = Field(64, ge=1, description="requests in progress; their pieces alternate")
    max_audio_s: float = Field(1200.0, gt=0, description="longest recording, unless a request asks for more")
    max_job_audio_s: float = Field(10800.0, gt=0, description="longest recording that a request may allow itself")
    max_held_audio_s: float = Field(
        36000.0, gt=0, description="audio held for all requests, 64 kB a second; one request is always accepted"
    )
    aligner_checkpoint: str | None = Field(None, description="folder or hub id; null: no times of words")
    max_aligned_s: float = Field(30.0, ge=5, le=30, description="longer pieces are aligned in parts")
