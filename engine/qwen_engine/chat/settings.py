"""Settings of `qwen3_chat`."""

import json
from pathlib import Path

from pydantic import Field

from qwen_engine.settings import CheckpointSettings

WITHOUT_THINKING = "{%- set enable_thinking = false -%}\n"


class ChatSettings(CheckpointSettings):
    max_batch: int = Field(16, ge=1, description="requests in a batch")
    max_positions: int = Field(4096, ge=64, description="tokens of a prompt and its answer; no more than the model's")
    max_cached_positions: int = Field(4096, ge=0, description="tokens in the prefix cache; 0: no cache")
    max_step_positions: int = Field(
        4096, ge=1, description="prompt tokens in one step; longer prompts are prefilled in parts"
    )
    max_prompt_chars: int = Field(200_000, ge=1, description="longer prompts are refused before they are tokenised")
    max_tokens: int = Field(512, ge=1, description="length of an answer if the request names none")
    temperature: float | None = Field(None, ge=0, le=2, description="if a request names none; null: the checkpoint's")
    num_readers_apart: int = Field(8, ge=1, le=64, description="threads that tokenise long prompts and check schemas")

    @property
    def num_readers(self) -> int:
        return self.num_readers_apart

    def served_files(self) -> dict[str, str]:
        """The checkpoint's chat template, by which its answers do not begin with thinking: for frontends that put
        conversations into a template themselves."""
        file, config = Path(self.checkpoint, "chat_template.jinja"), Path(self.checkpoint, "tokenizer_config.json")
        in_config = json.loads(config.read_text()).get("chat_template") if config.is_file() else None
        template = file.read_text() if file.is_file() else in_config
        return {"no_think.jinja": WITHOUT_THINKING + template} if isinstance(template, str) else {}
