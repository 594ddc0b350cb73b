"""Voice chat: what it tells besides the events of all chains."""

from typing import Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from qwen_wire.chains import ChainEnd, CollectedResult, Stage, StageProgress
from qwen_wire.messages import CONFIG, absent
from qwen_wire.options import ChatMessage

SESSION, HEARD, REPLY, SPEECH = "session", "heard", "reply", "speech"
"""Its stages."""


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class SessionStarted(Stage):
    """The first event of a new conversation, before anything is done: whoever goes on with it needs the `token`."""

    type: Literal["session_started"] = "session_started"
    session: str
    token: str = Field(repr=False)


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class SpeechProgress(StageProgress):
    """The next sound of a piece of a reply; `text` is the piece."""

    text: str


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class TurnOutputs:
    """What was `heard`, the `reply`, and what of that was `spoken`, as the conversation remembers it."""

    heard: str
    reply: str
    spoken: str


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class TurnTimings:
    """Seconds since the request arrived: those of all chains, and when the first of each stage was there."""

    queue_s: float | None = absent()
    first_event_s: float | None = absent()
    total_s: float | None = absent()
    heard_s: float | None = absent()
    first_text_s: float | None = absent()
    first_audio_s: float | None = absent()


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class VoiceChatEnd(ChainEnd):
    """The end of a turn, "cancelled" where another one interrupted it.

    `history`: the conversation as it is remembered. A player that started at the first chunk would have run dry for
    `underrun_s`. `seed`: of the random numbers of its stages. Where the answer comes whole: `session` and `token` of a
    new conversation, the rate of the samples in `PAYLOAD`, and all `results`.
    """

    outputs: TurnOutputs
    history: tuple[ChatMessage, ...]
    audio_s: float
    underrun_s: float
    timings: TurnTimings
    trace_id: str
    seed: int | None = absent()
    session: str | None = absent()
    token: str | None = absent(repr=False)
    sample_rate_hz: int | None = absent()
    results: tuple[CollectedResult, ...] | None = absent()
