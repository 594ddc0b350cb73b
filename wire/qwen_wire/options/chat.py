"""OPTIONS of chat, written and spoken."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from qwen_wire.options.base import AudioOptions, StreamOptions, Token


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
    seed: int = Field(0, ge=0, lt=2**64, description="same seed, same answer, whatever else is in the batch")
    stop: tuple[Annotated[str, Field(min_length=1, max_length=200)], ...] = Field(
        (), max_length=16, description="the answer ends before the first of these texts"
    )
    json_schema: dict[str, Any] | None = Field(None, description="the answer is JSON of this schema")


class VoiceChatOptions(AudioOptions, StreamOptions):
    session: str | None = Field(
        None, min_length=1, max_length=64, description="name of the conversation; null: this utterance alone"
    )
    token: Token | None = Field(None, description="that of the conversation's first event; null: a new one begins")
    end_session: bool = Field(False, description="the conversation ends with this; without `AUDIO` and `TEXT`, at once")
    messages: tuple[ChatMessage, ...] | None = Field(
        None,
        max_length=200,
        description=(
            "`role` and `content` of what was said before, for a new conversation; a first one of the `system` "
            "takes the usual one's place"
        ),
    )
    played_s: float | None = Field(
        None, ge=0, description="how much of the last reply's sound was played; null: see Chains"
    )
    language: str | None = Field(None, description="of `AUDIO`, as for `qwen3_asr`")
    context: str = Field("", max_length=4000, description="words to expect in `AUDIO`, such as names")
    voice: str | None = Field(None, max_length=100, description="who replies, as for `qwen3_tts`")
    max_tokens: int | None = Field(None, ge=1, description="of the reply; null: the chat model's own limit")
    seed: int = Field(0, ge=0, lt=2**63, description="same seed, same reply")
    deadline_s: float | None = Field(
        None, gt=0, description="for the whole, up to the profile's `max_deadline_s`; null: its `deadline_s`"
    )
