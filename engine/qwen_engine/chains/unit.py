"""What a run does at once: a node, or one item of a node that runs for several."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from qwen_engine.chains import functions
from qwen_engine.chains.calls import ModelCalls, Trace
from qwen_engine.chains.collect import Answers, Outputs, Sign
from qwen_engine.chains.events import Emit, StageProgress, StageResult, StageSkipped, StageStarted, told_error
from qwen_engine.chains.graph import Node
from qwen_engine.chains.node_call import CallSlots, NodeCall, with_retries
from qwen_engine.chains.outputs import SentFiles
from qwen_engine.chains.partial_outputs import PartialOutputs
from qwen_engine.chains.record import Kept, Record, flattened
from qwen_engine.chains.references import resolved
from qwen_engine.chains.signatures import Signature
from qwen_engine.errors import EngineError
from qwen_engine.settings import ChainSettings


@dataclass(frozen=True)
class Surroundings:
    """What all runs of a chain model share."""

    calls: ModelCalls
    signatures: Mapping[str, Signature]
    settings: ChainSettings
    slots: CallSlots


@dataclass(frozen=True)
class Unit:
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

    def __init__(self, around: Surroundings, kept: Kept, trace: Trace, emit: Emit, end_s: float) -> None:
        self.sent = SentFiles()
        self._around = around
        self._kept = kept
        self._trace = trace
        self._emit = emit
        self._end_s = end_s
        self._parallel = asyncio.Semaphore(around.settings.max_parallel)

    async def run(self, unit: Unit, *, may_keep: bool) -> Outputs:
        """The outputs, from a call or, where it `may_keep` them, from an earlier run. Raises an `EngineError`."""
        kept = self._kept.outputs(unit.name, unit.item) if may_keep else None
        if kept is not None:
            unit.record.state = "kept"
            self.sent.remember(unit.name, unit.item, kept)
            await self._emit(StageSkipped(stage=unit.name, item=unit.item, reason="kept from an earlier run"))
            return kept
        unit.record.state = "running"
        outputs = await (self._call_function(unit) if unit.node.model is None else self._call_model(unit))
        self.sent.remember(unit.name, unit.item, outputs)
        await self._tell(unit, outputs)
        unit.record.state = "done"
        return outputs

    async def _call_function(self, unit: Unit) -> Outputs:
        await self._emit(StageStarted(stage=unit.name, item=unit.item))
        return functions.call(unit.node.function or "", resolved(unit.node.arguments, unit.scope))

    async def _call_model(self, unit: Unit) -> Outputs:
        call = NodeCall.of(unit.node, self._around.signatures, unit.scope)

        async def on_sign(sign: Sign, answers: Answers) -> None:
            if unit.partial is not None:
                unit.partial.show(answers.partial())
            event = StageProgress(
                stage=unit.name, item=unit.item, event=sign.event, output=sign.output, payload=sign.payload
            )
            await self._emit(event)

        async def on_failure(number: int, error: EngineError) -> None:
            event = {"type": "retry", "attempt": number + 1, "error": told_error(error)}
            await self._emit(StageProgress(stage=unit.name, item=unit.item, event=event))

        async def attempt() -> Outputs:
            unit.record.attempts += 1
            left_s = max(self._end_s - time.monotonic(), 0.0)
            calls, trace, timeout_s = self._around.calls, self._trace.inside(), unit.node.timeout_s
            return await call.attempt(calls, trace, timeout_s=timeout_s, left_s=left_s, on_sign=on_sign)

        async with self._parallel, self._around.slots.one(call.model, call.signature):
            await self._emit(StageStarted(stage=unit.name, item=unit.item))
            return await with_retries(attempt, unit.node.retries, lambda: unit.may_repeat, on_failure)

    async def _tell(self, unit: Unit, outputs: Outputs) -> None:
        for name, value in outputs.items():
            for part, one in flattened(name, value):
                event = StageResult(stage=unit.name, item=unit.item, output=part)
                held = {"payload": one} if isinstance(one, bytes) else {"value": one}
                await self._emit(replace(event, **held))
