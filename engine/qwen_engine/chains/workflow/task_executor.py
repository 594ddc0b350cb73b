"""Tasks of a run executed: a call of a model with its retries, a function, or the result of an earlier run."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

from qwen_engine.chains.workflow import functions
from qwen_engine.chains.workflow.node_call import NodeCall, with_retries
from qwen_engine.chains.workflow.node_task import NodeTask
from qwen_engine.chains.workflow.record import flattened
from qwen_engine.chains.workflow.references import resolved
from qwen_engine.chains.workflow.response_collectors import NodeOutputs, Progress, ResponseCollector
from qwen_engine.chains.workflow.run_context import RunContext
from qwen_engine.chains.workflow.sent_files import SentFiles
from qwen_wire.chains import ErrorInfo, StageProgress, StageResult, StageSkipped, StageStarted
from qwen_wire.errors import QwenError
from qwen_wire.messages import to_dict


class TaskExecutor:
    """Executes the tasks of one run, `settings.max_parallel` calls of models at once."""

    def __init__(self, context: RunContext) -> None:
        self.sent = SentFiles()
        self._context = context
        self._parallel = asyncio.Semaphore(context.runtime.settings.max_parallel)
        self._computing = asyncio.Semaphore(1)  # functions gain nothing at once, and other runs go on in between

    async def run(self, task: NodeTask, *, may_keep: bool) -> NodeOutputs:
        """The outputs, from a call or, where it `may_keep` them, from an earlier run. Raises a `QwenError`."""
        kept = self._context.earlier.outputs(task.name, task.item) if may_keep else None
        if kept is not None:
            task.record.state = "kept"
            self.sent.remember(task.name, task.item, kept)
            await self._context.emit(StageSkipped(stage=task.name, item=task.item, reason="kept from an earlier run"))
            return kept
        if task.node.model is None:
            async with self._computing:
                return await self._done(task, self._call_function)
        return await self._done(task, self._call_model)

    async def _done(self, task: NodeTask, call: Callable[[NodeTask], Awaitable[NodeOutputs]]) -> NodeOutputs:
        task.record.state = "running"
        outputs = await call(task)
        self._context.run_memory.take_value(outputs)
        self.sent.remember(task.name, task.item, outputs)
        await self._emit_results(task, outputs)
        task.record.state = "done"
        return outputs

    async def _call_function(self, task: NodeTask) -> NodeOutputs:
        await self._context.emit(StageStarted(stage=task.name, item=task.item))
        meter = self._context.run_memory.meter()
        arguments, name = resolved(task.node.arguments, task.scope, meter), task.node.function or ""

        def call() -> NodeOutputs:
            outputs = functions.call(name, arguments, self._context.run_memory.max_value_bytes)
            self._context.run_memory.measure(outputs)
            return outputs

        if functions.is_quick(name, meter.total):
            return call()
        return await asyncio.to_thread(call)  # other runs go on meanwhile

    async def _call_model(self, task: NodeTask) -> NodeOutputs:
        context, call = self._context, NodeCall.of(task.node, task.scope, self._context)

        async def on_progress(progress: Progress, collector: ResponseCollector) -> None:
            if task.partial is not None:
                task.partial.show(collector.partial())
            event, output, payload = dict(progress.event), progress.output, progress.payload
            await context.emit(
                StageProgress(stage=task.name, item=task.item, event=event, output=output, payload=payload)
            )

        async def on_failure(number: int, error: QwenError) -> None:
            event = {"type": "retry", "attempt": number + 1, "error": to_dict(ErrorInfo.of(error))}
            await context.emit(StageProgress(stage=task.name, item=task.item, event=event))

        async def attempt() -> NodeOutputs:
            task.record.attempts += 1
            return await call.attempt(context, task.node.timeout_s, on_progress)

        async with self._parallel, context.runtime.call_slot(call.model, context.trace.tenant):
            await context.emit(StageStarted(stage=task.name, item=task.item))
            return await with_retries(attempt, task.node.retries, lambda: task.may_repeat, on_failure)

    async def _emit_results(self, task: NodeTask, outputs: NodeOutputs) -> None:
        for name, value in outputs.items():
            for part, one in flattened(name, value):
                event = StageResult(stage=task.name, item=task.item, output=part)
                held = {"payload": one} if isinstance(one, bytes) else {"value": one}
                await self._context.emit(replace(event, **held))
