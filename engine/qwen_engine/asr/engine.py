"""The recognition engine: recordings are cut into pieces, which share one batch with those of all other requests."""

import concurrent.futures
import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

import numpy as np
import torch

from qwen_engine.asr.batch import POLL_S, AsrBatch
from qwen_engine.asr.checkpoint import AsrCheckpoint
from qwen_engine.asr.request import (
    AsrRequest,
    PieceResult,
    Recognition,
    sampling_of,
)
from qwen_engine.asr.settings import AsrSettings
from qwen_engine.asr.silence import Span
from qwen_engine.asr.text_join import join_texts
from qwen_engine.asr.vad.bands import SAMPLE_RATE_HZ
from qwen_engine.asr.vad.methods import detector_of
from qwen_engine.graphs import Capture
from qwen_engine.loop import Model
from qwen_engine.samples import check_samples
from qwen_engine.session import Session, fail_alone
from qwen_wire.errors import InvalidRequest, QwenError, ServerError, Unavailable
from qwen_wire.transcripts import FailedPiece, VerboseSegment, Word

log = logging.getLogger(__name__)


class WordTimer(Protocol):
    """Times words: the forced aligner, for the engine."""

    def times(self, samples: np.ndarray, text: str, language: str | None, *, chars: bool) -> list[Word]:
        """Words (or characters) of `text`, the transcript of `samples` (n,), in seconds from their beginning."""
        ...


@dataclass(eq=False)
class _Job:
    """One live request: the outcome of each of its pieces."""

    session: Session[AsrRequest]
    results: dict[int, PieceResult] = field(default_factory=dict)
    words: dict[int, Future[list[Word]]] = field(default_factory=dict)
    errors: dict[int, QwenError] = field(default_factory=dict)

    @property
    def request(self) -> AsrRequest:
        return self.session.request

    @property
    def complete(self) -> bool:
        return len(self.results) + len(self.errors) == len(self.request.spans) and not self.untimed

    @property
    def untimed(self) -> list[Future[list[Word]]]:
        """Those of `words` that are not timed yet."""
        return [words for words in self.words.values() if not words.done()]


class AsrEngine(Model[AsrRequest]):
    """A `Model` for the engine loop. A request takes one of `max_requests` places; all pieces share the rows.

    `word_timer` serves requests for the times of words; without one they are refused. `capture`: see `AsrBatch`.
    """

    def __init__(
        self, settings: AsrSettings, word_timer: WordTimer | None = None, capture: Capture | None = None
    ) -> None:
        torch.set_num_threads(settings.num_threads)
        self.max_sessions = settings.max_requests
        self.checkpoint = AsrCheckpoint(settings)
        self._settings = settings
        detector_of(settings.vad_method)  # loaded here, not when the first recording comes
        self._timer = word_timer
        self._timing = ThreadPoolExecutor(1, thread_name_prefix="words")  # other pieces are decoded meanwhile
        self._batch = AsrBatch(self.checkpoint, settings, capture)
        self._jobs: dict[Session[AsrRequest], _Job] = {}

    def prepare(self, request: AsrRequest) -> AsrRequest:
        limit_s = self._settings.max_job_audio_s
        if request.duration_s > limit_s:
            raise InvalidRequest(f"AUDIO lasts {request.duration_s:.1f} s; the limit is {limit_s:g} s")
        if request.timestamps in ("word", "char") and self._timer is None:
            raise InvalidRequest(
                f"OPTIONS.timestamps is {request.timestamps!r}, but this server has no aligner; allowed: none, segment"
            )
        check_samples(request.samples)
        return request.prepared()

    def check_load(self, accepted: Sequence[Session[AsrRequest]], session: Session[AsrRequest]) -> None:
        tenant, limit_s = session.tenant, self._settings.max_held_audio_s
        own = [one for one in accepted if one.tenant == tenant]
        for held, allowed_s in ((accepted, limit_s), (own, limit_s * self._settings.tenants.share(tenant))):
            held_s = sum(one.request.duration_s for one in held)
            if held_s and held_s + session.request.duration_s > allowed_s:
                raise Unavailable(
                    f"{held_s:.0f} s of audio are being worked on, and the limit is {allowed_s:g} s; try again later"
                )

    def step(self, sessions: Sequence[Session[AsrRequest]]) -> bool:
        new = [session for session in sessions if session not in self._jobs]
        for session in new:
            self._jobs[session] = _Job(session)
            with fail_alone(session):
                self._begin(self._jobs[session])
        stepped = self._batch.step()
        return self._finish_timed(0.0 if stepped else POLL_S) or stepped or bool(new)

    def retire(self, session: Session[AsrRequest]) -> None:
        if (job := self._jobs.pop(session, None)) is not None:
            for words in job.words.values():
                words.cancel()
        self._batch.drop(session)

    def _begin(self, job: _Job) -> None:
        request = job.request
        for index in range(len(request.spans)):
            on_result, on_error = partial(self._take_result, job, index), partial(self._fail, job, index)
            self._batch.add(request.piece(index, group=job.session, on_result=on_result, on_error=on_error))
        if job.complete:  # there is no speech
            self._finish(job)

    def _take_result(self, job: _Job, index: int, result: PieceResult) -> None:
        with fail_alone(job.session):
            job.results[index] = result
            if self._timer is not None and job.request.timestamps in ("word", "char") and result.text:
                job.words[index] = self._timing.submit(self._times, self._timer, job.request, index, result)
            if job.complete:
                self._finish(job)

    def _fail(self, job: _Job, index: int, error: QwenError) -> None:
        job.errors[index] = error
        if len(job.errors) == len(job.request.spans):
            job.session.fail(error)
        elif job.complete:
            self._finish(job)

    def _finish_timed(self, timeout_s: float) -> bool:
        """Finish the jobs that waited only for word times, after `timeout_s` at most; False: no job waits for any."""
        timed = [job for job in self._jobs.values() if job.words and not job.session.ended]
        concurrent.futures.wait([words for job in timed for words in job.untimed], timeout_s, FIRST_COMPLETED)
        for job in timed:
            if job.complete:
                with fail_alone(job.session):
                    self._finish(job)
        return bool(timed)

    @staticmethod
    def _times(timer: WordTimer, request: AsrRequest, index: int, result: PieceResult) -> list[Word]:
        """The words of a piece in the recording's time; called on the timing thread."""
        span = request.spans[index]
        start_s = span.start / SAMPLE_RATE_HZ
        chars = request.timestamps == "char"
        try:
            words = timer.times(request.samples[span.start : span.end], result.text, result.language, chars=chars)
        except QwenError:
            raise
        except Exception:
            log.exception("the words of a piece could not be timed")
            raise ServerError() from None
        return [Word(word.text, start_s + word.start_s, start_s + word.end_s) for word in words]

    def _finish(self, job: _Job) -> None:
        first_tokens = [result.first_token_s for result in job.results.values()]
        figures = {"first_token_s": round(min(first_tokens) - job.session.arrived_s, 4)} if first_tokens else {}
        transcript = _transcript(job)
        job.session.emit(transcript)
        job.session.finish(transcript.finish_reason, **figures)


def _transcript(job: _Job) -> Recognition:
    request = job.request
    pieces = [(span, job.results[index]) for index, span in enumerate(request.spans) if index in job.results]
    language = _language(pieces)
    timed = request.timestamps in ("word", "char")
    return Recognition(
        text=join_texts((result.text for _, result in pieces), language),
        language=language,
        duration_s=request.duration_s,
        damage_s=request.damage_s,
        segments=[
            VerboseSegment(*_seconds(span), result.text, result.language, len(result.ids))
            for span, result in pieces
            if result.text
        ],
        words=_words(job) if timed else None,
        finish_reason="length" if any(result.finish_reason == "length" for _, result in pieces) else "stop",
        failed=[FailedPiece(*_seconds(request.spans[index]), message) for index, message in sorted(_failures(job))],
        seed=None if sampling_of(request.temperature).is_greedy else request.seed,
    )


def _words(job: _Job) -> list[Word]:
    """Of all pieces whose words could be timed."""
    timed = [job.words[index] for index in sorted(job.words) if job.words[index].exception() is None]
    return [word for words in timed for word in words.result()]


def _failures(job: _Job) -> Iterator[tuple[int, str]]:
    """Messages by piece."""
    for index, error in job.errors.items():
        yield index, str(error)
    for index, words in job.words.items():
        if (timing_error := words.exception()) is not None:
            yield index, f"no times of words: {timing_error}"


def _language(pieces: Sequence[tuple[Span, PieceResult]]) -> str | None:
    """The language of most of the speech."""
    spoken: Counter[str] = Counter()
    for span, result in pieces:
        if result.language and result.text:
            spoken[result.language] += len(span)
    return max(spoken, key=spoken.__getitem__, default=None)


def _seconds(span: Span) -> tuple[float, float]:
    return span.start / SAMPLE_RATE_HZ, span.end / SAMPLE_RATE_HZ
