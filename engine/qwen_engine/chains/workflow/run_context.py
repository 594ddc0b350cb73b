"""What runs work with: the models and limits that all share, and each run's own trace, events, bytes and deadline."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from qwen_engine.chains.calls import ModelCalls, Trace
from qwen_engine.chains.event_sinks import Emit
from qwen_engine.chains.workflow.call_slots import CallSlots
from qwen_engine.chains.workflow.memory import RunMemory
from qwen_engine.chains.workflow.record import EarlierRun
from qwen_engine.chains.workflow.signatures import Signature
from qwen_engine.settings import ChainSettings


@dataclass(frozen=True)
class Runtime:
    """What all runs of a chain model share."""

    calls: ModelCalls
    signatures: Mapping[str, Signature]
    settings: ChainSettings
    slots: CallSlots


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
