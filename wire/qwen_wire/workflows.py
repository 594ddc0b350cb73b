"""Workflows: the end of a graph's run, the record of its nodes, and the files among its outputs."""

from typing import Any, Literal

from pydantic.dataclasses import dataclass

from qwen_wire.chains import ChainEnd, CollectedResult, ErrorInfo
from qwen_wire.messages import CONFIG, Timings, absent

NodeState = Literal["waiting", "running", "done", "kept", "skipped", "failed", "cancelled"]
ResultKey = tuple[str, str, int | None]
"""Stage, output and item."""


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class NodeRecord:
    """What became of a node, or of one of its `items`: times are seconds since the run began.

    `reason`: why it was skipped. `digest` is of all that its outputs depend on.
    """

    state: NodeState
    start_s: float | None = absent()
    end_s: float | None = absent()
    attempts: int = absent(0)
    error: ErrorInfo | None = absent()
    reason: str | None = absent()
    digest: str = absent("")
    items: tuple["NodeRecord", ...] = absent(())


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class WorkflowEnd(ChainEnd):
    """The end of a graph's run: its `outputs`, with the place of each file, and what became of each node.

    `seeds`: the values of its inputs that are seeds.
    `results`: where the answer comes whole, all that the nodes made.
    """

    outputs: dict[str, Any]
    record: dict[str, NodeRecord]
    trace_id: str
    seeds: dict[str, int] = absent({})
    results: tuple[CollectedResult, ...] | None = absent()
    timings: Timings | None = absent()


def file_place(stage: str, output: str, item: int | None) -> dict[str, Any]:
    """What stands for a file in outputs: the result that it was sent as."""
    place: dict[str, Any] = {"stage": stage, "output": output}
    return place if item is None else {**place, "item": item}


def place_key(value: Any) -> ResultKey | None:
    """The result that a value in outputs stands for; None: it is no place of a file."""
    if isinstance(value, dict) and {"stage", "output"} <= set(value) <= {"stage", "output", "item"}:
        return value["stage"], value["output"], value.get("item")
    return None
