"""One round: chains, and the same steps by calls of the client, by turns on the same server."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from perf.chains import overhead, stories, turns
from perf.chains.overhead import Row
from perf.chains.stories import Story
from perf.chains.turns import Turn
from qwen_client import AsyncClient


@dataclass(frozen=True)
class Round:
    """`chained` and `stepped` by question, `story` and `stepped_story` by idea. `crowds` by callers at once."""

    chained: list[Turn]
    stepped: list[Turn]
    story: list[Story]
    stepped_story: list[Story]
    rows: list[Row]
    crowds: Mapping[int, list[Turn]]
    stopping_s: list[float]


@dataclass(frozen=True)
class Bench:
    """The server and what it is asked."""

    client: AsyncClient
    questions: Sequence[bytes]
    ideas: Sequence[str]
    num_rows: int
    crowds: Sequence[int]
    turns_each: int

    async def round(self, seed: int) -> Round:
        chained, stepped = await self._by_turns(seed)
        story = [await stories.in_one_call(self.client, idea) for idea in self.ideas]
        stepped_story = [await stories.step_by_step(self.client, idea) for idea in self.ideas]
        return Round(
            chained=chained,
            stepped=stepped,
            story=story,
            stepped_story=stepped_story,
            rows=[await overhead.one_row(self.client) for _ in range(self.num_rows)],
            crowds={
                size: await turns.by_turns(self.client, self.questions, size, self.turns_each) for size in self.crowds
            },
            stopping_s=[await turns.stopping_s(self.client, question) for question in self.questions],
        )

    async def _by_turns(self, seed: int) -> tuple[list[Turn], list[Turn]]:
        """Each question by the chain and step by step, in random order, so that neither always comes second."""
        rng = random.Random(seed)
        chained: list[Turn] = []
        stepped: list[Turn] = []
        for question in self.questions:
            ways = [(turns.in_one_call, chained), (turns.step_by_step, stepped)]
            rng.shuffle(ways)
            for way, kept in ways:
                kept.append(await way(self.client, question))
        return chained, stepped
