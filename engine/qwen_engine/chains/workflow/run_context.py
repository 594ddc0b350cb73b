"""What runs work with: the models and limits that all share, and each run's own trace, events, bytes and deadline."""

import time
from collections import defaultdict
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field

from qwen_engine.chains.calls import ModelCalls, Trace
from qwen_engine.chains.event_sinks import Emit
from qwen_engine.chains.slots import FairSlots
from qwen_engine.chains.workflow.memory import RunMemory
from qwen_engine.chains.workflow.record import EarlierRun
from qwen_engine.chains.workflow.signatures import Signature
from qwen_engine.settings import ChainSettings


class Runtime:
    """What all runs of a chain model share."""

    def __init__(self, calls: ModelCalls, signatures: Mapping[str, Signature], settings: ChainSettings) -> None:
        self.calls = calls
        self.signatures = signatures
        self.settings = settings
        self._call_slots: dict[str, FairSlots] = defaultdict(lambda: FairSlots(settings.max_calls))

    def call_slot(self, model: str, tenant: str) -> AbstractAsyncContextManager[None]:
        """A place for a call, of `max_calls` to a model. Chains bound themselves: a place that one chain holds could
        be what the one that it calls waits for."""
        return nullcontext() if self.signatures[model].form == "chain" else self._call_slots[model].one(tenant)


@dataclass(frozen=True)
class RunContext:
    """What all tasks of one run share; it has `deadline_s` seconds from now."""

    runtime: Runtime
    earlier: EarlierRun
    run_memory: RunMemory
    trace: Trace
    emit: Emit
    deadline_s: float
    began_s: float = field(default_factory=time.monotonic)

    @property
    def elapsed_s(self) -> float:
        return time.monotonic() - self.began_s

    @property
    def left_s(self) -> float:
        return max(self.deadline_s - self.elapsed_s, 0.0)
