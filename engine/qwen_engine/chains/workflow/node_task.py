"""What a run does at once: a node, or one item of a node that runs for several."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from qwen_engine.chains.calls import ModelCalls, Trace
from qwen_engine.chains.events import Emit
from qwen_engine.chains.workflow import functions
from qwen_engine.chains.workflow.graph import Node
from qwen_engine.chains.workflow.node_call import CallSlots, NodeCall, with_retries
from qwen_engine.chains.workflow.partial_outputs import PartialOutputs
from qwen_engine.chains.workflow.record import EarlierRun, Record, flattened
from qwen_engine.chains.workflow.references import resolved
from qwen_engine.chains.workflow.response_collectors import Outputs, Progress, ResponseCollector
from qwen_engine.chains.workflow.sent_files import SentFiles
from qwen_engine.chains.workflow.signatures import Signature
from qwen_engine.chains.workflow.sizes import Held, RunBytes
from qwen_engine.settings import ChainSettings
from qwen_wire.chains import ErrorInfo, StageProgress, StageResult, StageSkipped, StageStarted
from qwen_wire.errors import QwenError
from qwen_wire.messages import to_dict


@dataclass(frozen=True)
class RunContext:
    """What all runs of a chain model share."""

    calls: ModelCalls
    signatures: Mapping[str, Signature]
    settings: ChainSettings
    slots: CallSlots
    held: Held


@dataclass(frozen=True)
class NodeTask:
    """`item` is None for a whole node; `scope` holds what references stand for; `partial` is what others follow."""

    name: str
    node: Node
    item: int | None
    record: Record
    scope: Mapping[str, Any]
    partial: PartialOutputs | None = None

    @property
    def may_repeat(self) -> bool:
        """Whether nobody has taken a part of what another attempt may make differently."""
        return self.partial is None or not self.partial.is_taken


class Worker:
    """Does the units of one run, `settings.max_parallel` calls at once, until `end_s` (monotonic)."""

    def __init__(
        self, context: RunContext, kept: EarlierRun, run_bytes: RunBytes, trace: Trace, emit: Emit, end_s: float
    ) -> None:
        self.sent = SentFiles()
        self._context = context
        self._kept = kept
        self._bytes = run_bytes
        self._trace = trace
        self._emit = emit
        self._end_s = end_s
        self._parallel = asyncio.Semaphore(context.settings.max_parallel)
        self._computing = asyncio.Semaphore(1)  # functions gain nothing at once, and other runs go on in between

    async def run(self, task: NodeTask, *, may_keep: bool) -> Outputs:
        """The outputs, from a call or, where it `may_keep` them, from an earlier run. Raises a `QwenError`."""
        kept = self._kept.outputs(task.name, task.item) if may_keep else None
        if kept is not None:
            task.record.state = "kept"
            self.sent.remember(task.name, task.item, kept)
            await self._emit(StageSkipped(stage=task.name, item=task.item, reason="kept from an earlier run"))
            return kept
        if task.node.model is None:
            async with self._computing:
                return await self._done(task, self._call_function)
        return await self._done(task, self._call_model)

    async def _done(self, task: NodeTask, call: Callable[[NodeTask], Awaitable[Outputs]]) -> Outputs:
        task.record.state = "running"
        outputs = await call(task)
        self._bytes.take_value(outputs)
        self.sent.remember(task.name, task.item, outputs)
        await self._tell(task, outputs)
        task.record.state = "done"
        return outputs

    async def _call_function(self, task: NodeTask) -> Outputs:
        await self._emit(StageStarted(stage=task.name, item=task.item))
        meter = self._bytes.meter()
        arguments, name = resolved(task.node.arguments, task.scope, meter), task.node.function or ""

        def call() -> Outputs:
            outputs = functions.call(name, arguments, self._bytes.max_value_bytes)
            self._bytes.measure(outputs)
            return outputs

        if functions.is_quick(name, meter.total):
            return call()
        return await asyncio.to_thread(call)  # other runs go on meanwhile

    async def _call_model(self, task: NodeTask) -> Outputs:
        call = NodeCall.of(task.node, self._context.signatures, task.scope, self._bytes)

        async def on_progress(progress: Progress, answers: ResponseCollector) -> None:
            if task.partial is not None:
                task.partial.show(answers.partial())
            event = StageProgress(
                stage=task.name,
                item=task.item,
                event=dict(progress.event),
                output=progress.output,
                payload=progress.payload,
            )
            await self._emit(event)

        async def on_failure(number: int, error: QwenError) -> None:
            event = {"type": "retry", "attempt": number + 1, "error": to_dict(ErrorInfo.of(error))}
            await self._emit(StageProgress(stage=task.name, item=task.item, event=event))

        async def attempt() -> Outputs:
            task.record.attempts += 1
            left_s = max(self._end_s - time.monotonic(), 0.0)
            calls, trace, timeout_s = self._context.calls, self._trace.inside(), task.node.timeout_s
            return await call.attempt(
                calls, trace, self._bytes, timeout_s=timeout_s, left_s=left_s, on_progress=on_progress
            )

        async with self._parallel, self._context.slots.one(call.model, call.signature, self._trace.tenant):
            await self._emit(StageStarted(stage=task.name, item=task.item))
            return await with_retries(attempt, task.node.retries, lambda: task.may_repeat, on_failure)

    async def _tell(self, task: NodeTask, outputs: Outputs) -> None:
        for name, value in outputs.items():
            for part, one in flattened(name, value):
                event = StageResult(stage=task.name, item=task.item, output=part)
                held = {"payload": one} if isinstance(one, bytes) else {"value": one}
                await self._emit(replace(event, **held))
