"""Nodes with foreach: one task for each item of a list, the list whole or still being made."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

from qwen_engine.chains.workflow import functions
from qwen_engine.chains.workflow.node_task import NodeTask, Skipped, run_recorded
from qwen_engine.chains.workflow.partial_outputs import PENDING
from qwen_engine.chains.workflow.record import TaskRecord
from qwen_engine.chains.workflow.references import condition
from qwen_engine.chains.workflow.response_collectors import NodeOutputs
from qwen_engine.chains.workflow.run_context import RunContext
from qwen_engine.chains.workflow.scheduler import UNCHANGED, Scheduler
from qwen_engine.chains.workflow.task_executor import TaskExecutor
from qwen_wire.chains import StageStarted
from qwen_wire.errors import InvalidRequest, QwenError

ITEMS_PER_YIELD = 16  # of a node, begun before other runs have their turn


class ForeachExecutor:
    """Runs the nodes with foreach of one run, and counts the items of all of them."""

    def __init__(self, context: RunContext, scheduler: Scheduler, executor: TaskExecutor) -> None:
        self._context = context
        self._scheduler = scheduler
        self._executor = executor
        self._num_items = 0

    async def run(self, task: NodeTask, scope: dict[str, Any]) -> NodeOutputs:
        """Each output as a list. Whatever fails, what was made is in `scope`; raises the first error of an item."""
        results: list[Any] = []  # PENDING, then what the item gave, or None
        ended_by: QwenError | Skipped | None = None
        at_once = asyncio.Semaphore(task.node.max_parallel or self._context.runtime.settings.max_items)
        async with asyncio.TaskGroup() as group:
            try:
                async for number, item in self._items(task):
                    missing = number + 1 - len(results)
                    task.record.items += [TaskRecord() for _ in range(missing)]
                    results += [PENDING] * missing
                    group.create_task(self._run_item(task, number, item, results, at_once))
                    if number % ITEMS_PER_YIELD == 0:
                        await asyncio.sleep(0)  # other runs go on
            except (QwenError, Skipped) as error:
                ended_by = error
        outputs = self._lists(task, results)
        if results or ended_by is None:
            scope[task.name] = outputs
        if ended_by is not None:
            raise ended_by
        self._end(task)
        return outputs

    async def _run_item(
        self, task: NodeTask, number: int, item: Any, results: list[Any], at_once: asyncio.Semaphore
    ) -> None:
        scope = {**task.scope, "item": item, "index": number}
        async with at_once:
            item_task = NodeTask(task.name, task.node, number, task.record.items[number], scope)
            results[number] = await run_recorded(item_task, self._context, self._call)
        if task.partial is not None:
            task.partial.show(self._lists(task, results))

    async def _call(self, task: NodeTask) -> NodeOutputs:
        self._scheduler.require_item(task)
        if task.node.chooses_items:
            task.check_condition(self._context)
        return await self._executor.run(task, may_keep=self._scheduler.may_keep(task))

    async def _items(self, task: NodeTask) -> AsyncIterator[tuple[int, Any]]:
        """The items of a node by number, after its start. Raises where there are too many or their list failed."""
        task.record.state = "running"
        if not self._scheduler.follows(task):
            items = condition(task.node.foreach, task.scope, self._context.run_memory.meter())
            if not isinstance(items, list):
                raise InvalidRequest("foreach is no list")
            self._count(len(items), len(items))
            await self._context.emit(StageStarted(stage=task.name, items=len(items)))
            for number, item in enumerate(items):
                yield number, item
            return
        is_started = False
        async for number, item in self._scheduler.followed_items(task):
            self._count(number + 1, 1)
            if not is_started:
                await self._context.emit(StageStarted(stage=task.name))
                is_started = True
            yield number, item
        if not is_started:
            await self._context.emit(StageStarted(stage=task.name, items=0))

    def _count(self, num_items: int, num_new: int) -> None:
        """A node has so many items, some of them new. Raises `InvalidRequest` where it, or the run, has too many."""
        settings = self._context.runtime.settings
        if num_items > settings.max_items:
            raise InvalidRequest(f"foreach has {num_items} items; the limit is {settings.max_items}")
        self._num_items += num_new
        if self._num_items > settings.max_run_items:
            limit = settings.max_run_items
            raise InvalidRequest(f"all nodes together have {self._num_items} items; the limit is {limit}")

    def _lists(self, task: NodeTask, results: Sequence[Any]) -> NodeOutputs:
        """Each output as a list, with null for items that gave none, and PENDING for those that still run."""
        model = task.node.model
        known = (self._context.runtime.signatures[model].outputs or ()) if model else (functions.RESULT,)
        given = [result for result in results if result is not PENDING and result]
        names = {*known, *(output for result in given for output in result)}
        return {
            output: [result if result is PENDING else result.get(output) if result else None for result in results]
            for output in names
        }

    def _end(self, task: NodeTask) -> None:
        """Raises the first error of an item."""
        for item in task.record.items:
            if item.error is not None:
                raise item.error
        is_kept = self._scheduler.may_keep(task) and all(item.state in UNCHANGED for item in task.record.items)
        task.record.state = "kept" if is_kept else "done"
