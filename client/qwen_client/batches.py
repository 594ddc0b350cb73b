"""Many recordings at a time: `client.asr.transcribe_many`."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Generator, Iterable, Mapping, Sized
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count, islice
from typing import Any

from qwen_client.asr import transcribe
from qwen_client.audio import AudioInput
from qwen_client.jobs import UnaryJob
from qwen_client.progress import OnDone, announced
from qwen_client.short_repr import ShortRepr
from qwen_client.transcript import Transcription
from qwen_client.transport import AsyncTransport, Transport
from qwen_wire.errors import InvalidRequest, QwenError

LABEL = "transcribing"
AHEAD = 4  # so many times the concurrency are read ahead, lest all wait for one that takes long


@dataclass(frozen=True, repr=False)
class Outcome(ShortRepr):
    """The result of one recording: either `heard` or `error` is set."""

    audio: AudioInput
    heard: Transcription | None = None
    error: QwenError | None = None


@dataclass(frozen=True)
class Batch:
    """Recordings to transcribe alike, `concurrency` at a time."""

    audios: Iterable[AudioInput]
    concurrency: int
    progress: bool | OnDone
    options: Mapping[str, Any]

    def plan(self, audio: AudioInput) -> UnaryJob[Transcription]:
        """Read the recording."""
        return transcribe(audio, **self.options)


def transcribe_many(
    audios: Iterable[AudioInput], *, concurrency: int = 8, progress: bool | OnDone = False, **options: Any
) -> Batch:
    """Transcribe each of `audios`, several at a time; iterate over the outcomes, in the order given.

        for outcome in client.asr.transcribe_many(paths, progress=True, language="English"):
            if outcome.heard:
                outcome.heard.save(Path(outcome.audio).with_suffix(".txt"))
            else:
                print(outcome.audio, outcome.error)

    `audios` may be any iterable, also one without an end: it is read a few requests ahead.
    A recording that fails is an `Outcome` with its `error`; the others go on. `progress`: True shows a bar on
    terminals; or a function, called with how many are done and of how many. `options` as for `transcribe`.
    Nothing begins before the first outcome is asked for; leaving early gives up what has not begun.
    """
    if concurrency < 1:
        raise InvalidRequest(f"concurrency is {concurrency}: give 1 or more")
    return Batch(audios, concurrency, progress, options)


def run_batch(transport: Transport, batch: Batch) -> Generator[Outcome, None, None]:
    """The outcomes, by way of a thread for each request that is under way."""

    def attempt(audio: AudioInput) -> Outcome:
        try:
            return Outcome(audio, heard=transport.run(batch.plan(audio)))
        except (QwenError, OSError) as error:
            return _failure(audio, error)

    audios, total = iter(batch.audios), _length(batch.audios)
    pool = ThreadPoolExecutor(batch.concurrency)
    try:
        with announced(batch.progress, LABEL) as announce:
            under_way = deque(pool.submit(attempt, audio) for audio in islice(audios, AHEAD * batch.concurrency))
            for num_done in count(1):
                if not under_way:
                    return
                outcome = under_way.popleft().result()
                under_way.extend(pool.submit(attempt, audio) for audio in islice(audios, 1))
                announce(num_done, total)
                yield outcome
    finally:
        # Without waiting: after Ctrl-C, what is under way ends when the client closes.
        pool.shutdown(wait=False, cancel_futures=True)


async def run_batch_async(transport: AsyncTransport, batch: Batch) -> AsyncGenerator[Outcome, None]:
    """As `run_batch`, by way of a task for each recording."""

    free = asyncio.Semaphore(batch.concurrency)

    async def attempt(audio: AudioInput) -> Outcome:
        async with free:
            try:
                job = await asyncio.to_thread(batch.plan, audio)
                heard = await transport.run(job)
                return Outcome(audio, heard)
            except (QwenError, OSError) as error:
                return _failure(audio, error)

    audios, total = iter(batch.audios), _length(batch.audios)
    tasks = deque(asyncio.create_task(attempt(audio)) for audio in islice(audios, AHEAD * batch.concurrency))
    try:
        with announced(batch.progress, LABEL) as announce:
            for num_done in count(1):
                if not tasks:
                    return
                outcome = await tasks[0]
                tasks.popleft()
                tasks.extend(asyncio.create_task(attempt(audio)) for audio in islice(audios, 1))
                announce(num_done, total)
                yield outcome
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _length(audios: Iterable[AudioInput]) -> int | None:
    """How many there are, where that is known before the end."""
    return len(audios) if isinstance(audios, Sized) else None


def _failure(audio: AudioInput, error: QwenError | OSError) -> Outcome:
    failure = error if isinstance(error, QwenError) else InvalidRequest(error.strerror or str(error))
    return Outcome(audio, error=failure)
