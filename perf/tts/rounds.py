"""One round: the official package and our server by turns, on the same texts. The other side is idle meanwhile."""

import random
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from perf import speech_requests
from perf.arrivals import poisson_arrivals_s
from perf.baselines.threads import Threads
from perf.baselines.worker import Worker
from perf.speech_requests import Spoken
from perf.tts.baseline import OfficialSpeech, official_speech, one_after_another
from qwen_client import AsyncClient

LOAD = 0.8  # of what the official package can serve one after another


@dataclass(frozen=True)
class Round:
    """`official` and `ours` by text: one after another. The batch and `together`: all of them at once.

    `arriving` are the texts `order`, sent at `arrivals_s`.
    """

    official: list[OfficialSpeech]
    official_batch: OfficialSpeech
    ours: list[Spoken]
    together: list[Spoken]
    order: list[int]
    arrivals_s: list[float]
    arriving: list[Spoken]


@dataclass(frozen=True)
class Bench:
    """The two sides and what they are given."""

    worker: Worker
    threads: Threads
    client: AsyncClient
    voice: str
    texts: Sequence[str]
    num_arrivals: int

    async def round(self, seed: int) -> Round:
        official = one_after_another(self.worker, self.texts, self.threads.sequential)
        ours = await speech_requests.one_after_another(self.client, self.texts, self.voice)
        batch = official_speech(self.worker, self.texts, self.threads.batch)
        together = await speech_requests.all_at_once(self.client, self.texts, self.voice)
        capacity_per_s = 1 / statistics.mean(speech.elapsed_s for speech in official)
        arrivals_s = poisson_arrivals_s(self.num_arrivals, rate_per_s=LOAD * capacity_per_s, seed=seed)
        order = list(self._order(seed))
        texts = [self.texts[index] for index in order]
        arriving = await speech_requests.at_times(self.client, texts, arrivals_s, self.voice)
        return Round(official, batch, ours, together, order, arrivals_s, arriving)

    def _order(self, seed: int) -> Iterator[int]:
        """`num_arrivals` texts, each equally often."""
        rng = random.Random(seed)
        order = [index % len(self.texts) for index in range(self.num_arrivals)]
        rng.shuffle(order)
        yield from order
