"""What a chain tells while it runs: one vocabulary for all of them. Wire format: docs/wire-protocol.md.

A chain is a coroutine that takes an `Emit` for its events and returns its `End`. What is None is not told.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, ClassVar, Literal, Self

from qwen_engine.errors import EngineError

ChainFinish = Literal["stop", "cancelled", "failed"]
PAYLOAD = "payload"


def told_error(error: EngineError, stage: str | None = None) -> dict[str, str]:
    """An error as events tell it."""
    told = {"status": error.status, "message": str(error)}
    return told if stage is None else {"stage": stage, **told}


@dataclass(frozen=True, kw_only=True)
class ChainEvent:
    """`stage` is the step of the chain; `item` its place in a list where the stage runs once for each item.

    `payload` is sent as PAYLOAD, all else in EVENT.
    """

    type: ClassVar[str]
    stage: str
    item: int | None = None
    payload: bytes = b""

    def told(self) -> dict[str, Any]:
        """The EVENT, without `index` and `time_s`."""
        return {"type": self.type, **_given(self)}

    def with_payload(self, payload: bytes) -> Self:
        """The same event with another payload."""
        return replace(self, payload=payload)


@dataclass(frozen=True, kw_only=True)
class StageStarted(ChainEvent):
    """`items`: the stage will run so many times, once for each item; each of them starts with an event of its own.

    Of a list that is still being made, nobody knows.
    """

    type = "stage_started"
    items: int | None = None


@dataclass(frozen=True, kw_only=True)
class StageProgress(ChainEvent):
    """A sign of life of the called model: its own `event`; a `payload` of its `output` is a piece or a preview."""

    type = "stage_progress"
    event: Mapping[str, Any] | None = None
    output: str | None = None


@dataclass(frozen=True, kw_only=True)
class StageResult(ChainEvent):
    """One `output`, whole: a `payload`, or a `value` where it is text or JSON."""

    type = "stage_result"
    output: str
    value: Any = None


@dataclass(frozen=True, kw_only=True)
class StageSkipped(ChainEvent):
    type = "stage_skipped"
    reason: str


@dataclass(frozen=True, kw_only=True)
class StageFailed(ChainEvent):
    type = "stage_failed"
    error: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class End:
    """How a chain ended; `details` are the chain's own, such as its `outputs` and its `record`."""

    finish_reason: ChainFinish
    error: Mapping[str, str] | None = None
    details: Mapping[str, Any] = field(default_factory=dict)

    def told(self) -> dict[str, Any]:
        """The EVENT, without `index` and `time_s`."""
        error = {} if self.error is None else {"error": dict(self.error)}
        return {"type": "end", "finish_reason": self.finish_reason, **error, **self.details}


Emit = Callable[[ChainEvent], Awaitable[None]]
"""Sends an event; returns once it is on its way, so that a chain never runs ahead of its reader."""


def _given(event: ChainEvent) -> dict[str, Any]:
    named = {one.name: getattr(event, one.name) for one in fields(event) if one.name != PAYLOAD}
    return {name: value for name, value in named.items() if value is not None}
