"""Chains against the same steps by calls of the client, by turns in one run: `python -m perf.bench_chains [--quick]`.

Goals and method: perf/README.md. A goal that is not met is told, and fails nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from perf.chains import overhead, stories, voice_turns
from perf.chains.questions import ideas, spoken_questions
from perf.chains.results import metrics
from perf.chains.rounds import Bench
from perf.report import circumstances
from perf.server import console, serving
from perf.side_by_side import TIMEOUT_S, Report, compare, repeat
from qwen_client import AsyncClient
from qwen_server.profiles import Profile

MODEL = "qwen3_chat"
NUM_PICTURES = 4
NUM_IDEAS = 24  # to choose from: not of all of them so many pictures are made


@dataclass(frozen=True)
class Amount:
    """How much is measured; `QUICK` shows that everything runs, its figures say little."""

    rounds: int = 5
    questions: int = 8
    ideas: int = 3
    rows: int = 5
    concurrencies: Sequence[int] = (1, 8, 32)
    turns_each: int = 3


QUICK = Amount(rounds=1, questions=2, ideas=1, rows=1, concurrencies=(1, 4), turns_each=1)


async def bench(profile: Profile, amount: Amount) -> Report:
    questions = spoken_questions(amount.questions)
    with serving(profile) as server:
        async with AsyncClient(server.address.grpc, timeout_s=TIMEOUT_S, retries=0) as client:
            console.print("what is made once")
            await voice_turns.in_one_call(client, questions[0])
            told = await stories.with_pictures(client, ideas(NUM_IDEAS), NUM_PICTURES, amount.ideas)
            await stories.in_one_call(client, told[0])
            await overhead.one_row(client)
            plan = Bench(client, questions, told, amount.rows, amount.concurrencies, amount.turns_each)
            rounds = await repeat(amount.rounds, "turns, stories, cheap stages, callers, interruptions", plan.round)
        return metrics(rounds), circumstances(server.address.grpc, MODEL)


if __name__ == "__main__":
    compare("chains", __doc__, bench, full=Amount(), quick=QUICK)
