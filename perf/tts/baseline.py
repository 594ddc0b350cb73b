"""The official package's side: how long it takes for one text after another (A) and for a batch of all (B)."""

from collections.abc import Sequence
from dataclasses import dataclass

from perf.baselines.threads import Threads, faster_threads
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


def official_speech(worker: Worker, texts: Sequence[str], num_threads: int) -> OfficialSpeech:
    answer = worker.ask({"texts": texts, "num_threads": num_threads})
    return OfficialSpeech(answer["elapsed_s"], answer["codes"])


def one_after_another(worker: Worker, texts: Sequence[str], num_threads: int) -> list[OfficialSpeech]:
    return [official_speech(worker, [text], num_threads) for text in texts]


def choose_threads(worker: Worker, texts: Sequence[str]) -> Threads:
    """By the first few of `texts` one after another, and all of them in a batch."""
    return faster_threads(
        lambda count: sum(speech.elapsed_s for speech in one_after_another(worker, texts[:NUM_TRIED], count)),
        lambda count: official_speech(worker, texts, count).elapsed_s,
    )
