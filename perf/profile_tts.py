"""Where a step of the synthesis engine spends its time: `python -m perf.profile_tts [--batch 1 16] [--steps 100]`.

First what each part takes by itself, by the clock; then the operators that take most, by torch's profiler, which slows
all of them down: its shares count, not its times. A running server is looked into with `py-spy record --pid STUB`.
"""

import argparse
import itertools
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.table import Table
from torch.profiler import ProfilerActivity, profile

from perf.bench_tts import NUM_TEXTS, served
from perf.tts.texts import benchmark_texts
from qwen_engine.sampling import RowSampler
from qwen_engine.session import Session
from qwen_engine.tts.engine import TtsEngine
from qwen_engine.tts.request import Speak, speak_request
from qwen_engine.tts.settings import TtsSettings
from qwen_server.profiles import load_profile
from qwen_wire.errors import QwenError
from qwen_wire.messages import FinishReason
from qwen_wire.options import TtsOptions

NUM_OPERATORS = 12
NUM_PROFILED_STEPS = 24  # two chunks of every stream; the profiler takes a minute to sum up a hundred
REST = "batch and streams (Python)"
console = Console(width=120)


class Nobody:
    """A sink that drops what it gets."""

    def emit(self, event: Any) -> None: ...

    def end(self, reason: FinishReason, closing: dict[str, Any]) -> None: ...

    def fail(self, error: QwenError) -> None:
        raise error

    def is_disconnected(self) -> bool:
        return False


class ProfiledBatch:
    """`size` requests that are always under way: where one ends, the next one comes."""

    def __init__(self, engine: TtsEngine, requests: Sequence[Speak], size: int) -> None:
        self._engine = engine
        self._next = itertools.cycle(requests)
        self._sessions: list[Session[Any]] = [Session(next(self._next), Nobody()) for _ in range(size)]

    def step(self) -> None:
        self._engine.step(self._sessions)
        for index, session in enumerate(self._sessions):
            if session.ended:
                self._engine.retire(session)
                self._sessions[index] = Session(next(self._next), Nobody())

    def leave(self) -> None:
        for session in self._sessions:
            self._engine.retire(session)


class Inner(threading.local):
    """Time taken by the parts that are called by each part under way on this thread."""

    def __init__(self) -> None:
        self.taken_s = [0.0]


class Clock:
    """The time each part takes by itself, without the parts that it calls. The codec works beside all others."""

    def __init__(self) -> None:
        self.own_s: dict[str, float] = defaultdict(float)
        self._inner = Inner()

    @contextmanager
    def timing(self, part: str) -> Iterator[None]:
        begin_s = time.perf_counter()
        self._inner.taken_s.append(0.0)
        try:
            yield
        finally:
            taken_s = time.perf_counter() - begin_s
            self.own_s[part] += taken_s - self._inner.taken_s.pop()
            self._inner.taken_s[-1] += taken_s

    def watch(self, owner: Any, method: str, part: str) -> None:
        """Time every call of `owner.method` as `part` from now on."""
        call: Callable[..., Any] = getattr(owner, method)

        def timed(*arguments: Any, **named: Any) -> Any:
            with self.timing(part):
                return call(*arguments, **named)

        setattr(owner, method, timed)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profile", default="demo")
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 16])
    parser.add_argument("--steps", type=int, default=100)
    arguments = parser.parse_args()
    settings = served(load_profile(arguments.profile))
    engine = TtsEngine(settings)
    requests = benchmark_requests(settings)
    for batch in arguments.batch:
        print_operators(ProfiledBatch(engine, requests, batch), batch)
    clock = Clock()
    watch_parts(clock, engine)
    for batch in arguments.batch:
        print_parts(clock, ProfiledBatch(engine, requests, batch), batch, arguments.steps)


def benchmark_requests(settings: TtsSettings) -> list[Speak]:
    """Greedy, as in the benchmark."""
    greedy = TtsOptions.model_validate({"temperature": 0.0})
    return [speak_request(text, greedy, settings, None) for text in benchmark_texts(NUM_TEXTS)]


def watch_parts(clock: Clock, engine: TtsEngine) -> None:
    for checkpoint in engine.checkpoints.values():
        talker = checkpoint.talker
        clock.watch(talker, "advance", "talker: one frame")
        clock.watch(talker, "prefill", "talker: prompts")
        clock.watch(talker, "draw", "talker: first code")
        clock.watch(talker._predictor, "draw", "code predictor")
        clock.watch(checkpoint.codec, "decode", "codec")
    for method in ("draw", "penalise"):
        clock.watch(RowSampler, method, "sampling")


def print_parts(clock: Clock, batch_run: ProfiledBatch, batch: int, num_steps: int) -> None:
    batch_run.step()
    clock.own_s.clear()
    begin_s = time.perf_counter()
    for _ in range(num_steps):
        with clock.timing(REST):
            batch_run.step()
    wall_ms = 1000 * (time.perf_counter() - begin_s) / num_steps
    batch_run.leave()
    total_s = sum(clock.own_s.values())
    table = Table("part", "ms a step", "share", title=f"batch {batch}: {wall_ms:.2f} ms a step, codec beside the rest")
    for part, own_s in sorted(clock.own_s.items(), key=lambda item: -item[1]):
        table.add_row(part, f"{1000 * own_s / num_steps:.2f}", f"{own_s / total_s:.0%}")
    console.print(table)


def print_operators(batch_run: ProfiledBatch, batch: int) -> None:
    batch_run.step()
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        for _ in range(NUM_PROFILED_STEPS):
            batch_run.step()
    batch_run.leave()
    operators = sorted(profiled.key_averages(), key=lambda operator: -operator.self_cpu_time_total)
    total_us = sum(operator.self_cpu_time_total for operator in operators)
    table = Table("operator", "calls a step", "share of all operators", title=f"batch {batch}: operators")
    for operator in operators[:NUM_OPERATORS]:
        share = operator.self_cpu_time_total / total_us
        table.add_row(operator.key, f"{operator.count / NUM_PROFILED_STEPS:.0f}", f"{share:.0%}")
    console.print(table)


if __name__ == "__main__":
    main()
