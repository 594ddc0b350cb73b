"""One run of a workflow: every node as soon as what it needs is there."""

import asyncio
from collections.abc import Mapping
from typing import Any

from qwen_engine.chains.workflow.foreach import ForeachExecutor
from qwen_engine.chains.workflow.graph import Graph
from qwen_engine.chains.workflow.node_task import NodeTask, run_recorded
from qwen_engine.chains.workflow.record import TaskRecord
from qwen_engine.chains.workflow.response_collectors import NodeOutputs
from qwen_engine.chains.workflow.run_context import RunContext
from qwen_engine.chains.workflow.run_end import ending
from qwen_engine.chains.workflow.scheduler import Scheduler
from qwen_engine.chains.workflow.task_executor import TaskExecutor
from qwen_wire.chains import ErrorInfo, StageFailed
from qwen_wire.errors import DeadlineExceeded
from qwen_wire.workflows import WorkflowEnd


class WorkflowRun:
    """Runs a checked graph on its input `values`.

    Example:
        end = await WorkflowRun(graph, values, context).run()
    """

    def __init__(self, graph: Graph, values: Mapping[str, Any], context: RunContext) -> None:
        self._graph = graph
        self._context = context
        self._scope: dict[str, Any] = {"inputs": dict(values), **dict.fromkeys(graph.nodes)}
        self._records = {name: TaskRecord(digest=context.earlier.digests[name]) for name in graph.nodes}
        self._scheduler = Scheduler(graph, self._records)
        self._executor = TaskExecutor(context)
        self._foreach = ForeachExecutor(context, self._scheduler, self._executor)

    async def run(self) -> WorkflowEnd:
        """Run all nodes; where one fails, those that need it are left out, and no others."""
        deadline_s = self._context.deadline_s
        try:
            async with asyncio.timeout(deadline_s), asyncio.TaskGroup() as group:
                for name in self._graph.nodes:
                    group.create_task(self._run_node(name))
        except TimeoutError:
            await self._give_up(DeadlineExceeded(f"the workflow was not done within {deadline_s:g} s"))
        return ending(self._graph, self._records, self._scope, self._executor.sent, self._context)

    async def _run_node(self, name: str) -> None:
        await self._scheduler.wait_until_ready(name)
        partial = self._scheduler.partial(name)
        task = NodeTask(name, self._graph.nodes[name], None, self._records[name], self._scope, partial)
        await run_recorded(task, self._context, self._call)
        self._scheduler.end(name, self._scope[name])

    async def _call(self, task: NodeTask) -> NodeOutputs:
        self._scheduler.require_needs(task)
        if not task.node.chooses_items:
            task.check_condition(self._context)
        if task.node.is_list:
            return await self._foreach.run(task, self._scope)
        outputs = await self._executor.run(task, may_keep=self._scheduler.may_keep(task))
        self._scope[task.name] = outputs
        return outputs

    async def _give_up(self, error: DeadlineExceeded) -> None:
        for name, record in self._records.items():
            if record.state in ("waiting", "running"):
                was_running = record.state == "running"
                record.cancel(error)
                if was_running:
                    await self._context.emit(StageFailed(stage=name, error=ErrorInfo.of(error)))
