"""One run of a workflow: every node as soon as what it needs is there."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from qwen_engine.chains.calls import Trace
from qwen_engine.chains.events import Emit, End
from qwen_engine.chains.workflow import functions
from qwen_engine.chains.workflow.graph import Graph
from qwen_engine.chains.workflow.node_task import NodeTask, RunContext, Worker
from qwen_engine.chains.workflow.partial_outputs import PENDING, PartialOutputs
from qwen_engine.chains.workflow.record import EarlierRun, Record
from qwen_engine.chains.workflow.references import condition, references
from qwen_engine.chains.workflow.response_collectors import Outputs
from qwen_engine.chains.workflow.run_end import ending
from qwen_engine.chains.workflow.sizes import RunBytes
from qwen_wire.chains import ErrorInfo, StageFailed, StageSkipped, StageStarted
from qwen_wire.errors import DeadlineExceeded, InvalidRequest, QwenError

KEPT = ("kept", "skipped")
ITEMS_A_TURN = 16  # of a node, begun before other runs have their turn


class _Skipped(Exception):
    """A node, or an item, has nothing to do; the message is the reason."""


class GraphRun:
    """Runs a checked graph on its input `values`, within `deadline_s` seconds from now.

    Example:
        end = await GraphRun(graph, values, kept, run_bytes, around, trace, emit, deadline_s=60).run()
    """

    def __init__(
        self,
        graph: Graph,
        values: Mapping[str, Any],
        kept: EarlierRun,
        run_bytes: RunBytes,
        context: RunContext,
        trace: Trace,
        emit: Emit,
        *,
        deadline_s: float,
    ) -> None:
        self._graph = graph
        self._context = context
        self._trace = trace
        self._emit = emit
        self._deadline_s = deadline_s
        self._scope: dict[str, Any] = {"inputs": dict(values), **dict.fromkeys(graph.nodes)}
        self._ended = {name: asyncio.Event() for name in graph.nodes}
        self._records = {name: Record(digest=kept.digests[name]) for name in graph.nodes}
        self._follows = {name: listed for name in graph.nodes if (listed := graph.follows(name))}
        self._partials = {listed.source: PartialOutputs() for listed in self._follows.values()}
        self._whole_needs = {name: self._needs_of(name) for name in graph.nodes}
        self._chooses_items = {name: node.chooses_items for name, node in graph.nodes.items()}
        self._num_items = 0
        self._began_s = time.monotonic()
        self._bytes = run_bytes
        self._worker = Worker(context, kept, run_bytes, trace, emit, self._began_s + deadline_s)

    async def run(self) -> End:
        """Run all nodes; where one fails, those that need it are left out, and no others."""
        try:
            async with asyncio.timeout(self._deadline_s), asyncio.TaskGroup() as group:
                for name in self._graph.nodes:
                    group.create_task(self._node(name))
        except TimeoutError:
            await self._give_up(DeadlineExceeded(f"the workflow was not done within {self._deadline_s:g} s"))
        return ending(self._graph, self._records, self._scope, self._worker.sent, self._trace, self._bytes)

    async def _node(self, name: str) -> None:
        for need in self._whole_needs[name]:
            await self._ended[need].wait()
        if followed := self._follows.get(name):
            await self._partials[followed.source].begun(followed)
        partial = self._partials.get(name)
        task = NodeTask(name, self._graph.nodes[name], None, self._records[name], self._scope, partial)
        await self._guarded(task, self._run_node)
        if partial is not None:
            partial.show(self._scope[name], is_whole=True)
        self._ended[name].set()

    def _needs_of(self, name: str) -> set[str]:
        """What a node refers to, but for the list that it follows."""
        followed = self._follows.get(name)
        return self._graph.needs(name) - ({followed.source} if followed else set())

    async def _guarded(self, task: NodeTask, work: Callable[[NodeTask], Awaitable[Outputs]]) -> Outputs | None:
        """What `work` gives; None where it fails or there is nothing to do, which is told and on record."""
        with self._timed(task.record):
            try:
                return await work(task)
            except _Skipped as skipped:
                task.record.state, task.record.reason = "skipped", str(skipped)
                await self._emit(StageSkipped(stage=task.name, item=task.item, reason=str(skipped)))
            except QwenError as error:
                task.record.state, task.record.error = "failed", error
                await self._emit(StageFailed(stage=task.name, item=task.item, error=ErrorInfo.of(error)))
            return None

    async def _run_node(self, task: NodeTask) -> Outputs:
        self._require(task, self._whole_needs[task.name])
        if not self._chooses_items[task.name] and not condition(task.node.when, task.scope, self._bytes.meter()):
            raise _Skipped("when is false")
        work = self._run_items if task.node.is_list else self._run_unit
        outputs = await work(task)
        self._scope[task.name] = outputs
        return outputs

    def _require(self, task: NodeTask, needs: Iterable[str]) -> None:
        """Whatever needs what has failed is left out, and a model that needs what was skipped; functions get null."""
        used = [task.node.inputs, task.node.options, task.node.user, task.node.foreach]
        required = {one.source for one in references(used)}
        for need in sorted(needs):
            state = self._records[need].state
            if state == "failed" or self._records[need].is_after_failure:
                task.record.is_after_failure = True
                raise _Skipped(f"{need} failed" if state == "failed" else f"{need} was left out")
            if state == "skipped" and need in required:
                raise _Skipped(f"{need} was skipped")

    async def _run_items(self, task: NodeTask) -> Outputs:
        outputs: list[Any] = []  # PENDING, then what the item gave, or None
        at_once = asyncio.Semaphore(task.node.max_parallel or self._context.settings.max_items)
        ended_by: QwenError | _Skipped | None = None

        async def one(number: int, item: Any) -> None:
            scope = {**task.scope, "item": item, "index": number}
            async with at_once:
                item_unit = NodeTask(task.name, task.node, number, task.record.items[number], scope)
                outputs[number] = await self._guarded(item_unit, self._run_item)
            if task.partial is not None:
                task.partial.show(self._lists(task, outputs))

        async with asyncio.TaskGroup() as group:
            try:
                async for number, item in self._items(task):
                    missing = number + 1 - len(outputs)
                    task.record.items += [Record() for _ in range(missing)]
                    outputs += [PENDING] * missing
                    group.create_task(one(number, item))
                    if number % ITEMS_A_TURN == 0:
                        await asyncio.sleep(0)  # other runs go on
            except (QwenError, _Skipped) as error:
                ended_by = error
        if outputs or ended_by is None:
            self._scope[task.name] = self._lists(task, outputs)  # whatever failed: what was made is an output
        if ended_by is not None:
            raise ended_by
        self._end_items(task)
        return self._scope[task.name]

    async def _items(self, task: NodeTask) -> AsyncIterator[tuple[int, Any]]:
        """The items of a node by number, told as its start. Raises where there are too many or their list failed."""
        followed = self._follows.get(task.name)
        task.record.state = "running"
        if followed is None:
            items = condition(task.node.foreach, task.scope, self._bytes.meter())
            if not isinstance(items, list):
                raise InvalidRequest("foreach is no list")
            self._check_number(len(items), len(items))
            await self._emit(StageStarted(stage=task.name, items=len(items)))
            for number, item in enumerate(items):
                yield number, item
            return
        is_started = False
        async for number, item in self._partials[followed.source].items(followed):
            self._check_number(number + 1, 1)
            if not is_started:
                await self._emit(StageStarted(stage=task.name))
                is_started = True
            yield number, item
        await self._ended[followed.source].wait()
        self._require(task, [followed.source])
        if not is_started:
            await self._emit(StageStarted(stage=task.name, items=0))

    def _check_number(self, num_items: int, num_new: int) -> None:
        settings = self._context.settings
        if num_items > settings.max_items:
            raise InvalidRequest(f"foreach has {num_items} items; the limit is {settings.max_items}")
        self._num_items += num_new
        if self._num_items > settings.max_run_items:
            limit = settings.max_run_items
            raise InvalidRequest(f"all nodes together have {self._num_items} items; the limit is {limit}")

    async def _run_item(self, task: NodeTask) -> Outputs:
        source = self._same_item(task)
        if source is not None and source.state == "failed":
            raise _Skipped(f"{self._follows[task.name].source} failed")
        if self._chooses_items[task.name] and not condition(task.node.when, task.scope, self._bytes.meter()):
            raise _Skipped("when is false")
        return await self._run_unit(task)

    async def _run_unit(self, task: NodeTask) -> Outputs:
        return await self._worker.run(task, may_keep=self._may_keep(task))

    def _may_keep(self, task: NodeTask) -> bool:
        """An earlier result is of use only where all that it was made from is the same."""
        made_from = [self._records[need] for need in self._whole_needs[task.name]]
        followed = self._follows.get(task.name)
        if followed is not None:
            made_from.append(self._same_item(task) or self._records[followed.source])
        return all(record.state in KEPT for record in made_from)

    def _same_item(self, task: NodeTask) -> Record | None:
        """What became of the item that an item is made from, where that is one of another node with foreach."""
        followed = self._follows.get(task.name)
        if followed is None or task.item is None or not self._graph.nodes[followed.source].is_list:
            return None
        return self._records[followed.source].items[task.item]

    def _lists(self, task: NodeTask, outputs: Sequence[Any]) -> Outputs:
        """Each output as a list, with null for items that gave none, and PENDING for those that still run."""
        model = task.node.model
        known = (self._context.signatures[model].outputs or ()) if model else (functions.RESULT,)
        given = [one for one in outputs if one is not PENDING and one]
        names = {*known, *(output for one in given for output in one)}
        return {
            output: [one if one is PENDING else one.get(output) if one else None for one in outputs] for output in names
        }

    def _end_items(self, task: NodeTask) -> None:
        """Raises the first error of an item."""
        for item in task.record.items:
            if item.error is not None:
                raise item.error
        is_kept = self._may_keep(task) and all(item.state in KEPT for item in task.record.items)
        task.record.state = "kept" if is_kept else "done"

    async def _give_up(self, error: DeadlineExceeded) -> None:
        for name, record in self._records.items():
            if record.state in ("waiting", "running"):
                was_running = record.state == "running"
                record.cancel(error)
                if was_running:
                    await self._emit(StageFailed(stage=name, error=ErrorInfo.of(error)))

    @contextmanager
    def _timed(self, record: Record) -> Iterator[None]:
        record.start_s = time.monotonic() - self._began_s
        try:
            yield
        finally:
            record.end_s = time.monotonic() - self._began_s
