"""What a chain tells while it runs: its stages start, get on, give results, are skipped or fail."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from qwen_client.errors import ServerError
from qwen_client.wire import Answer


@dataclass(frozen=True)
class Stage:
    """Which `stage` of a chain an event is about, `time_s` seconds after the chain began.

    `item` (0, 1, …) is told where a stage does the same for each of several things.
    """

    stage: str
    item: int | None
    time_s: float


@dataclass(frozen=True)
class StageStarted(Stage):
    """The stage began; `items`: it will do the same for so many things, None where that is not known yet."""

    items: int | None = None


@dataclass(frozen=True)
class StageProgress(Stage):
    """The stage got on: `event` is what its model told, `payload` what came with it as the model's `output`."""

    event: Mapping[str, Any]
    output: str | None = None
    payload: bytes = b""


@dataclass(frozen=True)
class StageResult(Stage):
    """The stage, or one item of it, is done: `value` where that is JSON or text, `payload` where it is a file.

    `output` names which of its model's outputs this is.
    """

    output: str
    value: Any = None
    payload: bytes = b""


@dataclass(frozen=True)
class StageSkipped(Stage):
    """There was nothing for the stage to do, or it was not wished for: `reason`."""

    reason: str


@dataclass(frozen=True)
class StageFailed(Stage):
    """The stage, or one item of it, failed: `status` is the gRPC status name. What others have done stays."""

    status: str
    message: str


StageEvent: TypeAlias = StageStarted | StageProgress | StageResult | StageSkipped | StageFailed


def read_stage(answer: Answer) -> StageEvent:
    """The event in a response of a chain."""
    told = answer.json("EVENT")
    where = (told["stage"], told.get("item"), told["time_s"])
    match told["type"]:
        case "stage_started":
            return StageStarted(*where, told.get("items"))
        case "stage_progress":
            return StageProgress(*where, told.get("event", {}), told.get("output"), answer.payload("PAYLOAD"))
        case "stage_result":
            return StageResult(*where, told["output"], told.get("value"), answer.payload("PAYLOAD"))
        case "stage_skipped":
            return StageSkipped(*where, told["reason"])
        case "stage_failed":
            error = told["error"]
            return StageFailed(*where, error["status"], error["message"])
    raise ServerError(f"the answer holds an unknown event: {told['type']}", request_id=answer.request_id)
