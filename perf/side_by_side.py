"""The frame of the benchmarks against an official package: arguments, the two sides, rounds, the report.

async def bench(profile: Profile, amount: Amount) -> Report: ...

if __name__ == "__main__":
    compare("tts", __doc__, bench, full=Amount(), quick=QUICK)
"""

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from perf.baselines.threads import Threads
from perf.baselines.worker import BaselineError, Worker
from perf.metrics import Metric, print_report
from perf.report import circumstances
from perf.server import console, serving
from qwen_client import AsyncClient
from qwen_engine.settings import CheckpointSettings
from qwen_server.checkpoints import resolve
from qwen_server.errors import ServerError
from qwen_server.profiles import Profile, load_profile
from qwen_server.triton_process import TritonProcess

Report: TypeAlias = tuple[list[Metric], dict[str, object]]
"""All metrics, and the circumstances of all."""

AmountT = TypeVar("AmountT")
RoundT = TypeVar("RoundT")
SettingsT = TypeVar("SettingsT", bound=CheckpointSettings)

TIMEOUT_S = 900


@dataclass(frozen=True)
class Sides:
    """The baseline's process, and our server with a client of it."""

    worker: Worker
    server: TritonProcess
    client: AsyncClient

    def facts(self, model: str, settings: CheckpointSettings, threads: Threads) -> dict[str, object]:
        """The circumstances of all metrics."""
        ours = circumstances(self.server.address.grpc, model)
        return {**ours, "threads": settings.num_threads, **threads.facts()}


def compare(
    name: str,
    description: str,
    bench: Callable[[Profile, AmountT], Coroutine[Any, Any, Report]],
    *,
    full: AmountT,
    quick: AmountT,
) -> None:
    """The command: runs `bench` with one of two amounts of work and prints what it reports."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--profile", default="demo")
    parser.add_argument("--quick", action="store_true", help="one short round: shows that everything runs")
    arguments = parser.parse_args()
    try:
        metrics, facts = asyncio.run(bench(load_profile(arguments.profile), quick if arguments.quick else full))
    except (BaselineError, ServerError) as error:
        sys.exit(f"error: {error}")
    print_report(name, metrics, facts)


@asynccontextmanager
async def two_sides(worker: Worker, profile: Profile) -> AsyncIterator[Sides]:
    """`worker` and a server of `profile`, both ready; the one is idle while the other is asked."""
    with worker, serving(profile) as server:
        async with AsyncClient(server.address.grpc, timeout_s=TIMEOUT_S, retries=0) as client:
            yield Sides(worker, server, client)


async def repeat(count: int, what: str, next_round: Callable[[int], Awaitable[RoundT]]) -> list[RoundT]:
    """One round after another, each called with its number; `what` tells what is measured, in its order."""
    rounds = []
    for number in range(count):
        console.print(f"round {number + 1} of {count}: {what}")
        rounds.append(await next_round(number))
    return rounds


def served(profile: Profile, model: str, settings_type: type[SettingsT], **left_out: None) -> SettingsT:
    """A profile's settings of `model` with the folder of its checkpoint, without the checkpoints `left_out`."""
    settings = profile.models.get(model)
    if not isinstance(settings, settings_type):
        raise ServerError(f"the profile does not serve {model}")
    return settings.model_copy(update={"checkpoint": str(resolve(settings.checkpoint)), **left_out})
