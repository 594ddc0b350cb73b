"""OPTIONS of chat."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from qwen_wire.options.base import StreamOptions


class ChatMessage(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    role: Literal["system", "user", "assistant"]
    content: str


class ChatOptions(StreamOptions):
    messages: tuple[ChatMessage, ...] | None = Field(
        None,
        max_length=1000,
        description=(
            'the conversation, a list of `role` (`"system"`, `"user"` or `"assistant"`) and `content`, the last '
            "one of the user; in place of `text_input`"
        ),
    )
    thinking: bool = Field(
        False, description="the model thinks before it answers `messages`, where its chat template has thinking"
    )
    max_tokens: int | None = Field(None, ge=1, description="of the answer; null: the profile's")
    min_tokens: int = Field(
        0, ge=0, description="the answer does not end before, except with its schema or a stop word"
    )
    temperature: float | None = Field(
        None, ge=0.0, le=2.0, description="0: greedy; null: the profile's, else the checkpoint's"
    )
    top_k: int | None = Field(None, ge=-1, description="only the likeliest tokens; 0, -1: all; null: the checkpoint's")
    top_p: float | None = Field(
        None,
        ge=0.0,
        le=1.0,
        description=(
            "only the likeliest tokens, which have this share of the probability; 0: the likeliest alone; null: "
            "the checkpoint's"
        ),
    )
    repetition_penalty: float = Field(
        1.0, gt=0.0, le=10.0, description="for tokens that prompt and answer have already; 1: none"
    )
    presence_penalty: float = Field(
        0.0, ge=-2.0, le=2.0, description="off the logit of tokens that the answer has already"
    )
    frequency_penalty: float = Field(0.0, ge=-2.0, le=2.0, description="the same, for each time they came")
    seed: int | None = Field(
        None,
        ge=0,
        lt=2**64,
        description="same seed, same answer, whatever else is in the batch; null: random. See Seeds",
    )
    stop: tuple[Annotated[str, Field(min_length=1, max_length=200)], ...] = Field(
        (), max_length=16, description="the answer ends before the first of these texts"
    )
    json_schema: dict[str, Any] | None = Field(None, description="the answer is JSON of this schema")
