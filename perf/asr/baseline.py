"""transformers' side: how long it takes for one clip after another (A) and for static batches in arrival order (B)."""

import os
from collections.abc import Sequence
from dataclasses import dataclass

from perf.asr.clips import Clip
from perf.baselines.worker import Worker

BATCH = 16
NUM_TRIED = 4  # clips that the number of threads is chosen by


@dataclass(frozen=True)
class Official:
    """One call of `generate`."""

    elapsed_s: float
    texts: list[str]


@dataclass(frozen=True)
class Threads:
    """The number of torch threads that was faster for each baseline; `tried_s` tells how long each took."""

    sequential: int
    batch: int
    tried_s: dict[str, dict[int, float]]


def transcribe(worker: Worker, clips: Sequence[Clip], num_threads: int) -> Official:
    answer = worker.ask({"clips": [str(clip.file) for clip in clips], "num_threads": num_threads})
    return Official(answer["elapsed_s"], answer["texts"])


def one_after_another(worker: Worker, clips: Sequence[Clip], num_threads: int) -> list[Official]:
    return [transcribe(worker, [clip], num_threads) for clip in clips]


def in_batches(worker: Worker, clips: Sequence[Clip], num_threads: int) -> list[Official]:
    """Batches of 16 in the order in which the clips come."""
    return [transcribe(worker, clips[at : at + BATCH], num_threads) for at in range(0, len(clips), BATCH)]


def choose_threads(worker: Worker, clips: Sequence[Clip]) -> Threads:
    """Give each baseline the better of one thread and one a core."""
    counts = sorted({1, os.cpu_count() or 1})
    transcribe(worker, clips[:1], counts[0])  # what is made once
    sequential_s = {count: total_s(one_after_another(worker, clips[:NUM_TRIED], count)) for count in counts}
    batch_s = {count: transcribe(worker, clips[:BATCH], count).elapsed_s for count in counts}
    return Threads(
        sequential=min(counts, key=sequential_s.__getitem__),
        batch=min(counts, key=batch_s.__getitem__),
        tried_s={"sequential": sequential_s, "static_batch": batch_s},
    )


def total_s(answers: Sequence[Official]) -> float:
    return sum(answer.elapsed_s for answer in answers)
