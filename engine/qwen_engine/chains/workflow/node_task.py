"""What a run does at once, a node or one item of a node with foreach, and what becomes of it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from qwen_engine.chains.workflow.graph import Node
from qwen_engine.chains.workflow.partial_outputs import PartialOutputs
from qwen_engine.chains.workflow.record import TaskRecord
from qwen_engine.chains.workflow.references import condition
from qwen_engine.chains.workflow.response_collectors import NodeOutputs
from qwen_engine.chains.workflow.run_context import RunContext
from qwen_wire.chains import ErrorInfo, StageFailed, StageSkipped
from qwen_wire.errors import QwenError


class Skipped(Exception):
    """A task has nothing to do; the message is the reason."""


@dataclass(frozen=True)
class NodeTask:
    """`item` is None for a whole node; `scope` holds what references stand for; `partial` is what others follow."""

    name: str
    node: Node
    item: int | None
    record: TaskRecord
    scope: Mapping[str, Any]
    partial: PartialOutputs | None = None

    @property
    def may_repeat(self) -> bool:
        """Whether nobody has taken a part of what another attempt may make differently."""
        return self.partial is None or not self.partial.is_taken

    def check_condition(self, context: RunContext) -> None:
        """Raises `Skipped` where the node's `when` says so."""
        if not condition(self.node.when, self.scope, context.run_memory.meter()):
            raise Skipped("when is false")


async def run_recorded(
    task: NodeTask, context: RunContext, work: Callable[[NodeTask], Awaitable[NodeOutputs]]
) -> NodeOutputs | None:
    """What `work` gives; None where it fails or there is nothing to do, which is sent and on record."""
    record = task.record
    record.start_s = context.elapsed_s
    try:
        return await work(task)
    except Skipped as skipped:
        record.state, record.reason = "skipped", str(skipped)
        await context.emit(StageSkipped(stage=task.name, item=task.item, reason=str(skipped)))
    except QwenError as error:
        record.state, record.error = "failed", error
        await context.emit(StageFailed(stage=task.name, item=task.item, error=ErrorInfo.of(error)))
    finally:
        record.end_s = context.elapsed_s
    return None
