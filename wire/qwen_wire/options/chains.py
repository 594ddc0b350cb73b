"""OPTIONS of chains: graphs, graphs that come with the request, and voice chat."""

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from qwen_wire.json_text import MAX_BYTES, MAX_VALUES
from qwen_wire.options.base import AudioOptions, StreamOptions, Token
from qwen_wire.options.chat import ChatMessage


class ChainOptions(StreamOptions):
    """Of every chain that is a graph."""

    max_json_bytes: ClassVar[int] = MAX_BYTES
    max_json_values: ClassVar[int] = MAX_VALUES

    inputs: dict[str, Any] = Field(default_factory=dict, description="the graph's, but for those that are tensors")
    deadline_s: float | None = Field(None, gt=0, description="for the whole; null: the profile's")


class KeptResult(BaseModel):
    """A `stage_result` event of an earlier run."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    stage: str = Field(description="the node that made it")
    output: str = Field(description="which of its outputs")
    item: int | None = Field(default=None, ge=0, description="of a node with foreach")
    value: Any = Field(default=None, description="text or JSON")
    payload: int | None = Field(default=None, ge=0, description="which item of `PAYLOAD` is its file")


class KeptRecord(BaseModel):
    """What of a `NodeRecord` of an earlier run matters to another one."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)

    state: str = Field(default="", description="what was made is of use where it is `done` or `kept`")
    digest: str = Field(default="", description="of all that the outputs depend on")
    items: list["KeptRecord"] = Field(default_factory=list, description="of a node with foreach")


class Resume(BaseModel):
    """What is known of an earlier run."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    record: dict[str, KeptRecord] = Field(description="of its end")
    seeds: dict[str, int] = Field(default_factory=dict, description="of its end: for inputs that are left out again")
    results: list[KeptResult] = Field(description="all that its nodes made")


class WorkflowOptions(ChainOptions):
    """Of a graph that comes with the request."""

    resume: Resume | None = Field(None, description="record and results of an earlier run: only the rest is done")


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
    seed: int | None = Field(None, ge=0, lt=2**63, description="same seed, same reply; null: random. See Seeds")
    deadline_s: float | None = Field(
        None, gt=0, description="for the whole, up to the profile's `max_deadline_s`; null: its `deadline_s`"
    )
