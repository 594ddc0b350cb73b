"""One round: transformers and our server by turns, on the same clips. The other side is idle meanwhile."""

from collections.abc import Sequence
from dataclasses import dataclass

from perf.asr import transcriptions
from perf.asr.baseline import Official, in_batches, one_after_another
from perf.asr.clips import Clip
from perf.asr.transcriptions import TranscriptionTimes
from perf.baselines.threads import Threads
from perf.baselines.worker import Worker
from qwen_client import AsyncClient

AT_ONCE = 16


@dataclass(frozen=True)
class Round:
    """`official` and `alone` by clip: one after another; `batches` and `together`: all clips, 16 at once.

    `short_alone` and `short_beside`: clips of a second, alone and beside 15 of half a minute. `first_tokens`: those
    long clips, each alone and only until its first token: the longest step that a short clip may find under way.
    """

    official: list[Official]
    batches: list[Official]
    alone: list[TranscriptionTimes]
    together: list[TranscriptionTimes]
    short_alone: list[TranscriptionTimes]
    short_beside: list[TranscriptionTimes]
    first_tokens: list[TranscriptionTimes]


@dataclass(frozen=True)
class Bench:
    """The two sides and what they are given: `short` a second long, `long` half a minute."""

    worker: Worker
    threads: Threads
    client: AsyncClient
    clips: Sequence[Clip]
    short: Sequence[Clip]
    long: Sequence[Clip]

    async def round(self) -> Round:
        return Round(
            official=one_after_another(self.worker, self.clips, self.threads.sequential),
            alone=await transcriptions.all_of(self.client, self.clips, at_once=1),
            batches=in_batches(self.worker, self.clips, self.threads.batch),
            together=await transcriptions.all_of(self.client, self.clips, at_once=AT_ONCE),
            short_alone=await transcriptions.all_of(self.client, self.short, at_once=1),
            short_beside=await transcriptions.beside(self.client, self.short, self.long),
            first_tokens=[await transcriptions.transcribe(self.client, clip, max_new_tokens=1) for clip in self.long],
        )
