"""One round: chains, and the same steps by calls of the client, by turns on the same server."""

import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from perf.chains import overhead, stories, voice_turns
from perf.chains.overhead import Row
from perf.chains.stories import Story
from perf.chains.voice_turns import Turn
from qwen_client import AsyncClient

AskedT = TypeVar("AskedT")
FoundT = TypeVar("FoundT")
Way: TypeAlias = Callable[[AsyncClient, AskedT], Awaitable[FoundT]]


@dataclass(frozen=True)
class Round:
    """`chained` and `stepped` by question, `story` and `stepped_story` by idea. `concurrent` by number of callers."""

    chained: list[Turn]
    stepped: list[Turn]
    story: list[Story]
    stepped_story: list[Story]
    rows: list[Row]
    concurrent: Mapping[int, list[Turn]]
    stopping_s: list[float]


@dataclass(frozen=True)
class Bench:
    """The server and what it is asked."""

    client: AsyncClient
    questions: Sequence[bytes]
    ideas: Sequence[str]
    num_rows: int
    concurrencies: Sequence[int]
    turns_each: int

    async def round(self, seed: int) -> Round:
        rng = random.Random(seed)
        chained, stepped = await self._both(voice_turns.in_one_call, voice_turns.step_by_step, self.questions, rng)
        story, stepped_story = await self._both(stories.in_one_call, stories.step_by_step, self.ideas, rng)
        return Round(
            chained=chained,
            stepped=stepped,
            story=story,
            stepped_story=stepped_story,
            rows=[await overhead.one_row(self.client) for _ in range(self.num_rows)],
            concurrent={
                size: await voice_turns.by_turns(self.client, self.questions, size, self.turns_each)
                for size in self.concurrencies
            },
            stopping_s=[await voice_turns.stopping_s(self.client, question) for question in self.questions],
        )

    async def _both(
        self, chain: Way[AskedT, FoundT], steps: Way[AskedT, FoundT], asked: Sequence[AskedT], rng: random.Random
    ) -> tuple[list[FoundT], list[FoundT]]:
        """All that is asked, by the chain and step by step, in random order, so that neither always comes second."""
        found: dict[Way[AskedT, FoundT], list[FoundT]] = {chain: [], steps: []}
        for one in asked:
            for way in rng.sample((chain, steps), 2):
                found[way].append(await way(self.client, one))
        return found[chain], found[steps]
