"""One run of a workflow: every node as soon as what it needs is there."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from qwen_engine.chains import functions
from qwen_engine.chains.calls import ModelCalls, Trace
from qwen_engine.chains.collect import Outputs, Sign
from qwen_engine.chains.events import (
    Emit,
    End,
    StageFailed,
    StageProgress,
    StageResult,
    StageSkipped,
    StageStarted,
    told_error,
)
from qwen_engine.chains.graph import Graph, Node
from qwen_engine.chains.node_call import CallSlots, NodeCall, with_retries
from qwen_engine.chains.outputs import Places
from qwen_engine.chains.record import Kept, Record, flattened
from qwen_engine.chains.references import references, resolved
from qwen_engine.chains.signatures import Signature
from qwen_engine.errors import DeadlineExceeded, EngineError, InvalidRequest
from qwen_engine.settings import ChainSettings


@dataclass(frozen=True)
class Surroundings:
    """What all runs of a chain model share."""

    calls: ModelCalls
    signatures: Mapping[str, Signature]
    settings: ChainSettings
    slots: CallSlots


class _Skipped(Exception):
    """A node, or an item, has nothing to do; the message is the reason."""


@dataclass(frozen=True)
class _Unit:
    """What is done at once: a node, or one `item` of it. `scope` holds what references stand for."""

    name: str
    node: Node
    item: int | None
    record: Record
    scope: Mapping[str, Any]


class GraphRun:
    """Runs a checked graph on its input `values`.

    Example:
        end = await GraphRun(graph, values, kept, around, trace, emit).run(deadline_s=60)
    """

    def __init__(
        self, graph: Graph, values: Mapping[str, Any], kept: Kept, around: Surroundings, trace: Trace, emit: Emit
    ) -> None:
        self._graph = graph
        self._kept = kept
        self._around = around
        self._trace = trace
        self._emit = emit
        self._scope: dict[str, Any] = {"inputs": dict(values), **dict.fromkeys(graph.nodes)}
        self._ended = {name: asyncio.Event() for name in graph.nodes}
        self._records = {name: Record(digest=kept.digests[name]) for name in graph.nodes}
        self._places = Places()
        self._parallel = asyncio.Semaphore(around.settings.max_parallel)
        self._began_s = time.monotonic()
        self._end_s = self._began_s

    async def run(self, deadline_s: float) -> End:
        """Run all nodes; where one fails, those that need it are left out, and no others."""
        self._end_s = self._began_s + deadline_s
        try:
            async with asyncio.timeout(deadline_s), asyncio.TaskGroup() as group:
                for name in self._graph.nodes:
                    group.create_task(self._node(name))
        except TimeoutError:
            await self._give_up(DeadlineExceeded(f"the workflow was not done within {deadline_s:g} s"))
        return self._ending()

    async def _node(self, name: str) -> None:
        for need in self._graph.needs(name):
            await self._ended[need].wait()
        unit = _Unit(name, self._graph.nodes[name], None, self._records[name], self._scope)
        await self._guarded(unit, self._run_node)
        self._ended[name].set()

    async def _guarded(self, unit: _Unit, work: Callable[[_Unit], Awaitable[Outputs]]) -> Outputs | None:
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

    async def _run_node(self, unit: _Unit) -> Outputs:
        self._require_needs(unit)
        if not unit.node.chooses_items and not resolved(unit.node.when, unit.scope):
            raise _Skipped("when is false")
        work = self._run_items if unit.node.is_list else self._run_unit
        outputs = await work(unit)
        self._scope[unit.name] = outputs
        return outputs

    def _require_needs(self, unit: _Unit) -> None:
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

    async def _run_items(self, unit: _Unit) -> Outputs:
        items = self._read_items(unit)
        unit.record.state = "running"
        unit.record.items = [Record() for _ in items]
        await self._emit(StageStarted(stage=unit.name, items=len(items)))
        at_once = asyncio.Semaphore(unit.node.max_parallel or len(items) or 1)

        async def one(number: int, item: Any) -> Outputs | None:
            scope = {**unit.scope, "item": item, "index": number}
            async with at_once:
                return await self._guarded(
                    _Unit(unit.name, unit.node, number, unit.record.items[number], scope), self._run_item
                )

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(number, item)) for number, item in enumerate(items)]
        return self._gathered(unit, [task.result() for task in tasks])

    def _read_items(self, unit: _Unit) -> list[Any]:
        items, limit = resolved(unit.node.foreach, unit.scope), self._around.settings.max_items
        if not isinstance(items, list):
            raise InvalidRequest("foreach is no list")
        if len(items) > limit:
            raise InvalidRequest(f"foreach has {len(items)} items; the limit is {limit}")
        return items

    async def _run_item(self, unit: _Unit) -> Outputs:
        if unit.node.chooses_items and not resolved(unit.node.when, unit.scope):
            raise _Skipped("when is false")
        return await self._run_unit(unit)

    def _gathered(self, unit: _Unit, outputs: list[Outputs | None]) -> Outputs:
        """Each output as a list, with null for items that were skipped. Raises the first error of an item."""
        model = unit.node.model
        known = (self._around.signatures[model].outputs or ()) if model else (functions.RESULT,)
        names = {*known, *(output for one in outputs if one for output in one)}
        lists = {output: [one.get(output) if one else None for one in outputs] for output in names}
        self._scope[unit.name] = lists
        for item in unit.record.items:
            if item.error is not None:
                raise item.error
        is_kept = self._may_keep(unit) and all(item.state in ("kept", "skipped") for item in unit.record.items)
        unit.record.state = "kept" if is_kept else "done"
        return lists

    async def _run_unit(self, unit: _Unit) -> Outputs:
        """One call, or what an earlier run has kept of it."""
        kept = self._kept.outputs(unit.name, unit.item) if self._may_keep(unit) else None
        if kept is not None:
            unit.record.state = "kept"
            self._places.remember(unit.name, unit.item, kept)
            await self._emit(StageSkipped(stage=unit.name, item=unit.item, reason="kept from an earlier run"))
            return kept
        unit.record.state = "running"
        outputs = await (self._call_model(unit) if unit.node.model else self._call_function(unit))
        self._places.remember(unit.name, unit.item, outputs)
        await self._tell(unit, outputs)
        unit.record.state = "done"
        return outputs

    def _may_keep(self, unit: _Unit) -> bool:
        """An earlier result is of use only where all that it was made from is the same."""
        return all(self._records[need].state in ("kept", "skipped") for need in self._graph.needs(unit.name))

    async def _call_function(self, unit: _Unit) -> Outputs:
        await self._emit(StageStarted(stage=unit.name, item=unit.item))
        return functions.call(unit.node.function or "", resolved(unit.node.arguments, unit.scope))

    async def _call_model(self, unit: _Unit) -> Outputs:
        model = unit.node.model or ""
        call = NodeCall.of(unit.node, model, self._around.signatures[model], unit.scope)

        async def on_sign(sign: Sign) -> None:
            event = StageProgress(
                stage=unit.name, item=unit.item, event=sign.event, output=sign.output, payload=sign.payload
            )
            await self._emit(event)

        async def on_failure(number: int, error: EngineError) -> None:
            event = {"type": "retry", "attempt": number + 1, "error": told_error(error)}
            await self._emit(StageProgress(stage=unit.name, item=unit.item, event=event))

        async def attempt(timeout_s: float) -> Outputs:
            unit.record.attempts += 1
            return await call.attempt(self._around.calls, self._trace.inside(), timeout_s, on_sign)

        async with self._parallel, self._around.slots.one(model, call.signature):
            await self._emit(StageStarted(stage=unit.name, item=unit.item))
            return await with_retries(attempt, unit.node, self._end_s, on_failure)

    async def _tell(self, unit: _Unit, outputs: Outputs) -> None:
        for name, value in outputs.items():
            for part, one in flattened(name, value):
                event = StageResult(stage=unit.name, item=unit.item, output=part)
                held = {"payload": one} if isinstance(one, bytes) else {"value": one}
                await self._emit(replace(event, **held))

    async def _give_up(self, error: DeadlineExceeded) -> None:
        for name, record in self._records.items():
            if record.state in ("waiting", "running"):
                was_running = record.state == "running"
                record.state, record.error = "cancelled", error
                record.cancel_items()
                if was_running:
                    await self._emit(StageFailed(stage=name, error=told_error(error)))

    def _ending(self) -> End:
        errors = [(name, record) for name, record in self._records.items() if record.error is not None]
        errors.sort(key=lambda one: (one[1].start_s is None, one[1].end_s or 0.0))
        failure = [told_error(record.error, name) for name, record in errors[:1] if record.error]
        outputs = {}
        for name, value in self._graph.outputs.items():
            try:
                outputs[name] = self._places.told(resolved(value, self._scope))
            except InvalidRequest as error:  # a path that leads nowhere in what a model answered
                outputs[name] = None
                failure = failure or [told_error(error, f"outputs.{name}")]
        record = {name: one.told() for name, one in self._records.items()}
        return End(
            finish_reason="failed" if failure else "stop",
            error=failure[0] if failure else None,
            details={"outputs": outputs, "record": record, "trace_id": self._trace.trace_id},
        )

    @contextmanager
    def _timed(self, record: Record) -> Iterator[None]:
        record.start_s = time.monotonic() - self._began_s
        try:
            yield
        finally:
            record.end_s = time.monotonic() - self._began_s
