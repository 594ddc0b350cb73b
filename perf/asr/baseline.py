"""transformers' side: how long it takes for one clip after another (A) and for static batches in arrival order (B)."""

from collections.abc import Sequence
from dataclasses import dataclass

from perf.asr.clips import Clip
from perf.baselines.threads import Threads, faster_threads
from perf.baselines.worker import Worker

BATCH = 16
NUM_TRIED = 4  # clips that the number of threads is chosen by


@dataclass(frozen=True)
class Official:
    """One call of `generate`."""

    elapsed_s: float
    texts: list[str]


def transcribe(worker: Worker, clips: Sequence[Clip], num_threads: int) -> Official:
    answer = worker.ask({"clips": [str(clip.file) for clip in clips], "num_threads": num_threads})
    return Official(answer["elapsed_s"], answer["texts"])


def one_after_another(worker: Worker, clips: Sequence[Clip], num_threads: int) -> list[Official]:
    return [transcribe(worker, [clip], num_threads) for clip in clips]


def in_batches(worker: Worker, clips: Sequence[Clip], num_threads: int) -> list[Official]:
    """Batches of 16 in the order in which the clips come."""
    return [transcribe(worker, clips[at : at + BATCH], num_threads) for at in range(0, len(clips), BATCH)]


def choose_threads(worker: Worker, clips: Sequence[Clip]) -> Threads:
    """By the first few of `clips` one after another, and a batch of 16."""
    transcribe(worker, clips[:1], 1)  # what is made once
    return faster_threads(
        lambda count: total_s(one_after_another(worker, clips[:NUM_TRIED], count)),
        lambda count: transcribe(worker, clips[:BATCH], count).elapsed_s,
    )


def total_s(answers: Sequence[Official]) -> float:
    return sum(answer.elapsed_s for answer in answers)
