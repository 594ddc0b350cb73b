"""Names of OpenAI's models and voices, which clients have built in, and what stands for them here."""

import re
from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field

MODELS: Mapping[str, str] = {
    "whisper-1": "qwen3_asr",
    "gpt-4o-transcribe": "qwen3_asr",
    "gpt-4o-mini-transcribe": "qwen3_asr",
    "gpt-4o-transcribe-diarize": "qwen3_asr",
    "gpt-transcribe": "qwen3_asr",
    "gpt-live-transcribe": "qwen3_asr",
    "gpt-realtime-whisper": "qwen3_asr",
    "tts-1": "qwen3_tts",
    "tts-1-hd": "qwen3_tts",
    "gpt-4o-mini-tts": "qwen3_tts",
    "dall-e-2": "qwen_image",
    "dall-e-3": "qwen_image",
    "gpt-image-1": "qwen_image",
    "gpt-image-1-mini": "qwen_image",
    "gpt-image-1.5": "qwen_image",
    "gpt-4o": "qwen3_chat",
    "gpt-4o-mini": "qwen3_chat",
    "gpt-4o-audio-preview": "qwen3_chat",
    "gpt-audio": "qwen3_chat",
    "gpt-4.1": "qwen3_chat",
    "gpt-5": "qwen3_chat",
    "gpt-realtime": "voice_chat",
    "gpt-realtime-1.5": "voice_chat",
    "gpt-realtime-2": "voice_chat",
    "gpt-realtime-2.1": "voice_chat",
    "gpt-realtime-2.1-mini": "voice_chat",
    "gpt-realtime-mini": "voice_chat",
    "gpt-4o-realtime-preview": "voice_chat",
    "gpt-4o-mini-realtime-preview": "voice_chat",
    "gpt-audio-1.5": "qwen3_chat",
    "gpt-audio-mini": "qwen3_chat",
}
DATE = re.compile(r"-\d{4}-\d{2}-\d{2}$")  # of a version: gpt-realtime-2025-08-28
# The 13 voices of OpenAI's API; which speaker stands for each is the profile's choice. Empty: the first speaker.
VOICES = (
    "alloy",
    "ash",
    "ballad",
    "cedar",
    "coral",
    "echo",
    "fable",
    "marin",
    "nova",
    "onyx",
    "sage",
    "shimmer",
    "verse",
)


class Aliases(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    models: dict[str, str] = Field(default=dict(MODELS), description="our model by the name of another")
    voices: dict[str, str] = Field(
        default=dict.fromkeys(VOICES, ""),
        description="our voice by another name; empty: the first speaker",
    )

    sizes: dict[str, str] = Field(
        default_factory=dict, description="a size or aspect ratio that stands for a size in pixels, such as 1024x1024"
    )

    def size(self, name: str) -> str:
        """The size that `name` stands for; itself where it has no alias."""
        return self.sizes.get(name, name)

    def model(self, name: str) -> str:
        """The Triton model that `name` stands for, with a date or without; itself where it has no alias."""
        return self.models.get(name) or self.models.get(DATE.sub("", name), name)

    def voice(self, name: str | None) -> str | None:
        """The speaker or stored voice that `name` stands for; None: the first speaker."""
        return self.voices.get(name, name) or None if name else None
