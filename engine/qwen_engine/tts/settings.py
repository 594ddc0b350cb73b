"""Settings of `qwen3_tts`."""

import os
from pathlib import Path

from pydantic import Field

from qwen_engine.settings import CheckpointSettings, FileSettings


def default_voice_folder() -> str:
    """Where the XDG base directories put a user's data."""
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return str(Path(data) / "qwen-triton" / "voices")


class TtsSettings(FileSettings, CheckpointSettings):
    """`checkpoint` of any kind, and up to two more: a Base one to clone voices, a voice-design one to describe them."""

    base_checkpoint: str | None = Field(None, description="folder or hub id; null: no cloning besides `checkpoint`'s")
    design_checkpoint: str | None = Field(None, description="folder or hub id; null: no design besides `checkpoint`'s")
    voice_folder: str = Field(default_factory=default_voice_folder, description="where added voices are kept")
    max_voices: int = Field(5000, ge=1, description="stored voices per tenant")
    require_consent: bool = Field(
        True, description="a recording that is cloned without being kept needs a consent note, too"
    )
    max_file_bytes: int = Field(128 << 20, ge=1024, description="size of a recording, decoded from base64")
    max_reference_s: float = Field(30.0, gt=0, description="longest recording to clone a voice from")
    text_timeout_s: float = Field(30.0, gt=0, description="an open text stream without new text ends after this")
    max_batch: int = Field(16, ge=1, description="utterances in a batch")
    max_positions: int = Field(2048, ge=64, description="prompt and frames of one piece of text; 12.5 frames a second")
    max_piece_chars: int = Field(
        300, ge=20, description="longer texts are synthesized in pieces; CJK characters count 3"
    )
    max_text_chars: int = Field(4000, ge=1, description="length of TEXT, also in add_text")
    max_stream_chars: int = Field(20_000, ge=1, description="total text of a text stream")
    max_audio_s: float = Field(300.0, gt=0, description="longest speech of a request")
    temperature: float | None = Field(None, ge=0, description="if a request names none; null: the checkpoint's")
