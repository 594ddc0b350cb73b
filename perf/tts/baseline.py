"""The official package's side: how long it takes for one text after another (A) and for a batch of all (B)."""

import os
from collections.abc import Sequence
from dataclasses import dataclass

from perf.baselines.worker import Worker

NUM_TRIED = 3  # texts that the number of threads is chosen by


@dataclass(frozen=True)
class OfficialSpeech:
    """One call of the package: `codes` by text, each frame's codes in a list."""

    elapsed_s: float
    codes: list[list[list[int]]]

    @property
    def frames(self) -> list[int]:
        return [len(codes) for codes in self.codes]


@dataclass(frozen=True)
class Threads:
    """The number of torch threads that was faster for each baseline; `tried_s` tells how long each took."""

    sequential: int
    batch: int
    tried_s: dict[str, dict[int, float]]


def official_speech(worker: Worker, texts: Sequence[str], num_threads: int) -> OfficialSpeech:
    answer = worker.ask({"texts": texts, "num_threads": num_threads})
    return OfficialSpeech(answer["elapsed_s"], answer["codes"])


def one_after_another(worker: Worker, texts: Sequence[str], num_threads: int) -> list[OfficialSpeech]:
    return [official_speech(worker, [text], num_threads) for text in texts]


def choose_threads(worker: Worker, texts: Sequence[str]) -> Threads:
    """Give each baseline the better of one thread and one a core."""
    counts = sorted({1, os.cpu_count() or 1})
    sequential_s = {
        count: sum(speech.elapsed_s for speech in one_after_another(worker, texts[:NUM_TRIED], count))
        for count in counts
    }
    batch_s = {count: official_speech(worker, texts, count).elapsed_s for count in counts}
    return Threads(
        sequential=min(counts, key=sequential_s.__getitem__),
        batch=min(counts, key=batch_s.__getitem__),
        tried_s={"sequential": sequential_s, "static_batch": batch_s},
    )
