"""Models that chains can call in place of a server: scripts, with gates, faults and counts around them."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from qwen_engine.chains.calls import Tensors, Trace
from qwen_wire.chains import ChainEnd, Stage
from qwen_wire.errors import QwenError, Unavailable

Script = Callable[[Mapping[str, Any]], Iterable[Mapping[str, bytes]]]


@dataclass
class Call:
    """A call as it was made."""

    model: str
    inputs: dict[str, Any]
    deadline_s: float | None
    trace: Trace

    @property
    def options(self) -> dict[str, Any]:
        return json.loads(self.inputs["OPTIONS"])


@dataclass
class ScriptedCalls:
    """`ModelCalls` on scripts by model. Each call first takes the next of its model's `faults` (None: no fault), then
    waits for the model's `gates`. `live` are the calls that are open, `most_live` how many there ever were."""

    scripts: Mapping[str, Script]
    faults: dict[str, list[QwenError | None]] = field(default_factory=dict)
    gates: dict[str, asyncio.Event] = field(default_factory=dict)
    made: list[Call] = field(default_factory=list)
    live: Counter[str] = field(default_factory=Counter)
    most_live: Counter[str] = field(default_factory=Counter)

    async def stream(
        self, model: str, inputs: Tensors, *, deadline_s: float | None, trace: Trace
    ) -> AsyncGenerator[Mapping[str, bytes], None]:
        self.made.append(Call(model, dict(inputs), deadline_s, trace))
        if model not in self.scripts:
            raise Unavailable(f"{model} is not loaded")
        with self._counted(model):
            await asyncio.sleep(0)
            fault = self.faults[model].pop(0) if self.faults.get(model) else None
            if fault is not None:
                raise fault
            if model in self.gates:
                await self.gates[model].wait()
            for response in self.scripts[model](inputs):
                yield response
                await asyncio.sleep(0)

    @contextmanager
    def _counted(self, model: str):
        self.live[model] += 1
        self.most_live[model] = max(self.most_live[model], self.live[model])
        try:
            yield
        finally:
            self.live[model] -= 1


@dataclass
class RecordedRun:
    """The events and the end of a run."""

    events: list[Stage] = field(default_factory=list)
    end: ChainEnd | None = None
    on_event: Callable[[Stage], Any] = lambda event: None

    async def emit(self, event: Stage) -> None:
        await asyncio.sleep(0)
        self.events.append(event)
        self.on_event(event)

    def types(self, stage: str) -> list[str]:
        return [event.type for event in self.events if event.stage == stage and event.type != "stage_progress"]

    @property
    def outputs(self) -> dict[str, Any]:
        assert self.end is not None
        return self.end.to_dict()["outputs"]

    @property
    def record(self) -> dict[str, Any]:
        assert self.end is not None
        return self.end.to_dict()["record"]

    def state(self, node: str) -> str:
        return self.record[node]["state"]
