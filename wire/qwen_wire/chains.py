"""What a chain tells while it runs: one vocabulary for all of them.

Events come as EVENT, what is sound, text or a file among them as PAYLOAD beside it.
"""

from typing import Any, Literal, TypeAlias

from pydantic import Field
from pydantic.dataclasses import dataclass
from typing_extensions import Self

from qwen_wire.errors import QwenError
from qwen_wire.messages import CONFIG, absent, to_dict

ChainFinish = Literal["stop", "cancelled", "failed"]


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class ErrorInfo:
    """An error as events tell it: gRPC's name of its status, and the `stage` that failed where it is of a chain."""

    stage: str | None = absent()
    status: str
    message: str

    @classmethod
    def of(cls, error: QwenError, stage: str | None = None) -> Self:
        return cls(stage=stage, status=error.status, message=error.message)


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Stage:
    """Which `stage` of a chain an event is about, `time_s` seconds after the chain began.

    `item` (0, 1, …) is there where a stage does the same for each of several things. `payload` stands in PAYLOAD.
    """

    stage: str
    item: int | None = absent()
    time_s: float = 0.0
    payload: bytes = Field(default=b"", exclude=True)

    def to_dict(self) -> dict[str, Any]:
        """The EVENT."""
        return to_dict(self)


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class StageStarted(Stage):
    """The stage began; `items`: it will do the same for so many things, each with an event of its own.

    Of a list that is still being made, nobody knows how many.
    """

    type: Literal["stage_started"] = "stage_started"
    items: int | None = absent()


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class StageProgress(Stage):
    """The stage got on: `event` is the event of its model, `payload` a piece or a preview of the model's `output`."""

    type: Literal["stage_progress"] = "stage_progress"
    event: dict[str, Any] | None = absent()
    output: str | None = absent()


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class StageResult(Stage):
    """The stage, or one item of it, made an `output`: a `value` where that is JSON or text, a `payload` for a file."""

    type: Literal["stage_result"] = "stage_result"
    output: str
    value: Any = absent()


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class StageSkipped(Stage):
    """There was nothing for the stage to do, or it was not wished for: `reason`."""

    type: Literal["stage_skipped"] = "stage_skipped"
    reason: str


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class StageFailed(Stage):
    """The stage, or one item of it, failed. What others have done stays."""

    type: Literal["stage_failed"] = "stage_failed"
    error: ErrorInfo


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class CollectedResult:
    """One of the `results` of an answer that comes whole: a `StageResult` whose file is base64."""

    stage: str
    item: int | None = absent()
    output: str
    value: Any = absent()
    payload: str = absent("")


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class ChainEnd:
    """The end of a chain; `error` is the first that a stage failed with. One that was cancelled tells no more."""

    type: Literal["end"] = "end"
    finish_reason: ChainFinish
    error: ErrorInfo | None = absent()
    payload: bytes = Field(default=b"", exclude=True)

    def to_dict(self) -> dict[str, Any]:
        """The EVENT."""
        return to_dict(self)


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class CancelEnd(ChainEnd):
    """The answer to a request that ends another one: whether that was `found`."""

    found: bool


StageEvent: TypeAlias = StageStarted | StageProgress | StageResult | StageSkipped | StageFailed
STAGE_EVENTS: dict[str, type[StageEvent]] = {
    "stage_started": StageStarted,
    "stage_progress": StageProgress,
    "stage_result": StageResult,
    "stage_skipped": StageSkipped,
    "stage_failed": StageFailed,
}
