"""One run of a workflow: every node as soon as what it needs is there."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from qwen_engine.chains import functions
from qwen_engine.chains.calls import Trace
from qwen_engine.chains.collect import Outputs
from qwen_engine.chains.events import Emit, End, StageFailed, StageSkipped, StageStarted, told_error
from qwen_engine.chains.graph import Graph
from qwen_engine.chains.record import Kept, Record
from qwen_engine.chains.references import references, resolved
from qwen_engine.chains.unit import Surroundings, Unit, Worker
from qwen_engine.errors import DeadlineExceeded, EngineError, InvalidRequest


class _Skipped(Exception):
    """A node, or an item, has nothing to do; the message is the reason."""


class GraphRun:
    """Runs a checked graph on its input `values`, within `deadline_s` seconds from now.

    Example:
        end = await GraphRun(graph, values, kept, around, trace, emit, deadline_s=60).run()
    """

    def __init__(
        self,
        graph: Graph,
        values: Mapping[str, Any],
        kept: Kept,
        around: Surroundings,
        trace: Trace,
        emit: Emit,
        *,
        deadline_s: float,
    ) -> None:
        self._graph = graph
        self._around = around
        self._trace = trace
        self._emit = emit
        self._deadline_s = deadline_s
        self._scope: dict[str, Any] = {"inputs": dict(values), **dict.fromkeys(graph.nodes)}
        self._ended = {name: asyncio.Event() for name in graph.nodes}
        self._records = {name: Record(digest=kept.digests[name]) for name in graph.nodes}
        self._began_s = time.monotonic()
        self._worker = Worker(around, kept, trace, emit, self._began_s + deadline_s)

    async def run(self) -> End:
        """Run all nodes; where one fails, those that need it are left out, and no others."""
        try:
            async with asyncio.timeout(self._deadline_s), asyncio.TaskGroup() as group:
                for name in self._graph.nodes:
                    group.create_task(self._node(name))
        except TimeoutError:
            await self._give_up(DeadlineExceeded(f"the workflow was not done within {self._deadline_s:g} s"))
        return self._ending()

    async def _node(self, name: str) -> None:
        for need in self._graph.needs(name):
            await self._ended[need].wait()
        unit = Unit(name, self._graph.nodes[name], None, self._records[name], self._scope)
        await self._guarded(unit, self._run_node)
        self._ended[name].set()

    async def _guarded(self, unit: Unit, work: Callable[[Unit], Awaitable[Outputs]]) -> Outputs | None:
        """What `work` gives; None where it fails or there is nothing to do, which is told and on record."""
        with self._timed(unit.record):
            try:
                return await work(unit)
            except _Skipped as skipped:
                unit.record.state, unit.record.reason = "skipped", str(skipped)
                await self._emit(StageSkipped(stage=unit.name, item=unit.item, reason=str(skipped)))
            except EngineError as error:
                unit.record.state, unit.record.error = "failed", error
                await self._emit(StageFailed(stage=unit.name, item=unit.item, error=told_error(error)))
            return None

    async def _run_node(self, unit: Unit) -> Outputs:
        self._require_needs(unit)
        if not unit.node.chooses_items and not resolved(unit.node.when, unit.scope):
            raise _Skipped("when is false")
        work = self._run_items if unit.node.is_list else self._run_unit
        outputs = await work(unit)
        self._scope[unit.name] = outputs
        return outputs

    def _require_needs(self, unit: Unit) -> None:
        """Whatever needs what has failed is left out, and a model that needs what was skipped; functions get null."""
        used = [unit.node.inputs, unit.node.options, unit.node.user, unit.node.foreach]
        required = {one.source for one in references(used)}
        for need in sorted(self._graph.needs(unit.name)):
            state = self._records[need].state
            if state == "failed" or self._records[need].is_after_failure:
                unit.record.is_after_failure = True
                raise _Skipped(f"{need} failed" if state == "failed" else f"{need} was left out")
            if state == "skipped" and need in required:
                raise _Skipped(f"{need} was skipped")

    async def _run_items(self, unit: Unit) -> Outputs:
        items = self._read_items(unit)
        unit.record.state = "running"
        unit.record.items = [Record() for _ in items]
        await self._emit(StageStarted(stage=unit.name, items=len(items)))
        at_once = asyncio.Semaphore(unit.node.max_parallel or len(items) or 1)

        async def one(number: int, item: Any) -> Outputs | None:
            scope = {**unit.scope, "item": item, "index": number}
            async with at_once:
                item_unit = Unit(unit.name, unit.node, number, unit.record.items[number], scope)
                return await self._guarded(item_unit, self._run_item)

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(number, item)) for number, item in enumerate(items)]
        return self._gathered(unit, [task.result() for task in tasks])

    def _read_items(self, unit: Unit) -> list[Any]:
        items, limit = resolved(unit.node.foreach, unit.scope), self._around.settings.max_items
        if not isinstance(items, list):
            raise InvalidRequest("foreach is no list")
        if len(items) > limit:
            raise InvalidRequest(f"foreach has {len(items)} items; the limit is {limit}")
        return items

    async def _run_item(self, unit: Unit) -> Outputs:
        if unit.node.chooses_items and not resolved(unit.node.when, unit.scope):
            raise _Skipped("when is false")
        return await self._run_unit(unit)

    async def _run_unit(self, unit: Unit) -> Outputs:
        return await self._worker.run(unit, may_keep=self._may_keep(unit))

    def _may_keep(self, unit: Unit) -> bool:
        """An earlier result is of use only where all that it was made from is the same."""
        return all(self._records[need].state in ("kept", "skipped") for need in self._graph.needs(unit.name))

    def _gathered(self, unit: Unit, outputs: list[Outputs | None]) -> Outputs:
        """Each output as a list, with null for items that gave none. Raises the first error of an item."""
        model = unit.node.model
        known = (self._around.signatures[model].outputs or ()) if model else (functions.RESULT,)
        names = {*known, *(output for one in outputs if one for output in one)}
        lists = {output: [one.get(output) if one else None for one in outputs] for output in names}
        self._scope[unit.name] = lists  # also where some failed: what the others made is an output
        for item in unit.record.items:
            if item.error is not None:
                raise item.error
        is_kept = self._may_keep(unit) and all(item.state in ("kept", "skipped") for item in unit.record.items)
        unit.record.state = "kept" if is_kept else "done"
        return lists

    async def _give_up(self, error: DeadlineExceeded) -> None:
        for name, record in self._records.items():
            if record.state in ("waiting", "running"):
                was_running = record.state == "running"
                record.cancel(error)
                if was_running:
                    await self._emit(StageFailed(stage=name, error=told_error(error)))

    def _ending(self) -> End:
        outputs, failure = self._outputs(), self._failure()
        details = {
            "outputs": {name: value for name, (value, _) in outputs.items()},
            "record": {name: record.told() for name, record in self._records.items()},
            "trace_id": self._trace.trace_id,
        }
        for name, (_, error) in outputs.items():
            if error is not None and failure is None:
                failure = told_error(error, f"outputs.{name}")
        return End(finish_reason="failed" if failure else "stop", error=failure, details=details)

    def _failure(self) -> dict[str, str] | None:
        """The error that came first; of a deadline, at a node that was running."""
        failed = [(name, record) for name, record in self._records.items() if record.error is not None]
        failed.sort(key=lambda one: (one[1].start_s is None, one[1].end_s or 0.0))
        return next((told_error(record.error, name) for name, record in failed if record.error), None)

    def _outputs(self) -> dict[str, tuple[Any, InvalidRequest | None]]:
        """By name: the value, or why there is none, as where a path leads nowhere in what a model answered."""
        made: dict[str, tuple[Any, InvalidRequest | None]] = {}
        for name, value in self._graph.outputs.items():
            try:
                made[name] = (self._worker.sent.places(resolved(value, self._scope)), None)
            except InvalidRequest as error:
                made[name] = (None, error)
        return made

    @contextmanager
    def _timed(self, record: Record) -> Iterator[None]:
        record.start_s = time.monotonic() - self._began_s
        try:
            yield
        finally:
            record.end_s = time.monotonic() - self._began_s
