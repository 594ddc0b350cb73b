"""The caption engine: many live streams, whose chunks share one batch.

A chunk may end segments, which are then transcribed as by the recognition engine, and it may make the running segment
due: that is transcribed again from the audio so far, with the settled part of its text as a prefix.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import torch

from qwen_engine.asr.batch import AsrBatch
from qwen_engine.asr.captions.request import CaptionRequest
from qwen_engine.asr.captions.settings import CaptionSettings
from qwen_engine.asr.captions.stream import CaptionStream, EndedSegment, RunningSegment
from qwen_engine.asr.checkpoint import AsrCheckpoint
from qwen_engine.asr.request import ENCODED_PER_S, MIN_TOKENS, Piece, PieceResult
from qwen_engine.asr.text_join import join_texts
from qwen_engine.asr.vad.methods import detector_of
from qwen_engine.graphs import Capture
from qwen_engine.loop import Model
from qwen_engine.registry import Registry
from qwen_engine.session import Session, fail_alone
from qwen_wire.errors import InvalidRequest, QwenError
from qwen_wire.languages import resolve_language


@dataclass(eq=False)
class _Job:
    """A chunk in work: the segments that ended in it, the results of each one's pieces, how many are missing.

    `token`: of the stream, if the chunk opened it.
    """

    session: Session[CaptionRequest]
    stream: CaptionStream
    token: str | None
    ended: list[EndedSegment]
    results: list[dict[int, PieceResult]] = field(default_factory=list)
    num_missing: int = 0
    is_complete: bool = False


class CaptionEngine(Model[CaptionRequest]):
    """A `Model` for the engine loop. A request is a chunk, answered by one `Caption`.

    Streams are identified by tenant and id, and by the token in their first caption. One without chunks for
    `idle_timeout_s` of `clock` is closed. `capture`: see `AsrBatch`.
    """

    def __init__(
        self,
        settings: CaptionSettings,
        capture: Capture | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        torch.set_num_threads(settings.num_threads)
        self.max_sessions = settings.max_streams
        self.checkpoint = AsrCheckpoint(settings)
        self._settings = settings
        detector_of(settings.vad_method)  # loaded here, not when the first stream begins
        self._clock = clock
        self._batch = AsrBatch(self.checkpoint, settings, capture)
        self._streams: Registry[CaptionStream] = Registry(
            "stream", limit=settings.max_streams, tenants=settings.tenants
        )
        self._jobs: dict[Session[CaptionRequest], _Job] = {}

    @property
    def num_streams(self) -> int:
        """Streams that are open."""
        return len(self._streams)

    def prepare(self, request: CaptionRequest) -> CaptionRequest:
        if len(request.audio) > (most := self._settings.max_chunk_bytes):
            raise InvalidRequest(f"AUDIO has {len(request.audio)} bytes; a chunk may have up to {most}")
        resolve_language(request.options.language, hears_dialects=True)
        if request.start:
            self._check_context(request.options.context)
        return request

    def step(self, sessions: Sequence[Session[CaptionRequest]]) -> bool:
        self.idle()
        begun = [job for session in sessions if (job := self._begun(session)) is not None]
        for job in begun:
            self._finish_if_complete(job)
        return self._batch.step() or bool(begun)

    def idle(self) -> None:
        """Close streams that get no more chunks."""
        now_s, timeout_s = self._clock(), self._settings.idle_timeout_s
        for tenant, stream_id, stream in self._streams:
            if not stream.is_busy and now_s - stream.used_s > timeout_s:
                self._streams.close(tenant, stream_id, stream)

    def retire(self, session: Session[CaptionRequest]) -> None:
        job = self._jobs.pop(session, None)
        if job is None:
            return
        self._batch.drop(session)
        job.stream.is_busy = False
        job.stream.used_s = self._clock()
        if not job.is_complete:  # later captions would lack what its caller did not get
            self._streams.close(session.tenant, session.request.stream_id, job.stream)

    def _begun(self, session: Session[CaptionRequest]) -> _Job | None:
        """The job of a new chunk, unless the one before it in its stream is still in work."""
        if session in self._jobs:
            return None
        with fail_alone(session):
            stream = self._stream(session)
            return None if stream.is_busy else self._begin(session, stream)
        return None

    def _stream(self, session: Session[CaptionRequest]) -> CaptionStream:
        """The stream of a chunk: with a token the one opened with it, even if Triton starts a sequence here."""
        request = session.request
        if request.opens:
            self._streams.require_room(session.tenant, request.stream_id)
            return CaptionStream(request, self.checkpoint, self._settings)
        return self._streams.get(session.tenant, request.stream_id, request.options.token)

    def _begin(self, session: Session[CaptionRequest], stream: CaptionStream) -> _Job:
        request = session.request
        if request.end:  # even if this chunk fails, none will follow
            self._streams.close(session.tenant, request.stream_id, stream)
        stream.check_options(request)
        ended = stream.feed(request)
        token = None
        if request.opens and not request.end:
            token = self._streams.open(session.tenant, request.stream_id, stream)
        stream.is_busy = True
        job = self._jobs[session] = _Job(session, stream, token, ended, [{} for _ in ended])
        for number, segment in enumerate(ended):
            self._transcribe(job, number, segment)
        self._transcribe_running(job)
        return job

    def _transcribe(self, job: _Job, number: int, segment: EndedSegment) -> None:
        for index in range(len(segment.request.spans)):
            on_result = partial(self._take_result, job, number, index)
            job.num_missing += 1
            self._batch.add(
                segment.request.piece(index, group=job.session, on_result=on_result, on_error=partial(self._fail, job))
            )

    def _transcribe_running(self, job: _Job) -> None:
        """Queue the running segment, if it is due."""
        running, samples = job.stream.running, job.stream.due()
        if running is None or samples is None:
            return
        rollback = self._settings.rollback_tokens
        prefix = running.prefix(rollback)
        job.num_missing += 1
        self._batch.add(
            Piece(
                samples,
                group=job.session,
                on_result=partial(self._update_running, job, running, prefix),
                on_error=partial(self._fail, job),
                context=job.stream.options.context,
                language=job.stream.language,
                prefix=prefix,
                encoder_state=running.encoder_state,
                budget=running.budget(prefix, rollback),
            )
        )

    def _take_result(self, job: _Job, number: int, index: int, result: PieceResult) -> None:
        job.results[number][index] = result
        self._count_result(job)

    def _update_running(self, job: _Job, running: RunningSegment, prefix: Sequence[int], result: PieceResult) -> None:
        running.update(prefix, result)
        self._count_result(job)

    def _count_result(self, job: _Job) -> None:
        job.num_missing -= 1
        self._finish_if_complete(job)

    def _fail(self, job: _Job, error: QwenError) -> None:
        job.session.fail(error)

    def _finish_if_complete(self, job: _Job) -> None:
        if job.num_missing or job.session.ended:
            return
        with fail_alone(job.session):
            ended = [(segment, *_final(results)) for segment, results in zip(job.ended, job.results, strict=True)]
            caption = job.stream.caption(ended, token=job.token, is_final=job.session.request.end)
            job.is_complete = True
            job.session.emit(caption)
            pieces = [one for segment in job.results for one in segment.values()]
            job.session.finish("length" if any(one.finish_reason == "length" for one in pieces) else "stop")

    def _check_context(self, context: str) -> None:
        prompt = self.checkpoint.prompts.build(context=context)
        sound = int(self._settings.max_segment_s * ENCODED_PER_S)
        num_positions = len(prompt.before) + len(prompt.after) + sound + MIN_TOKENS
        if num_positions > self._settings.max_positions:
            raise InvalidRequest(
                f"OPTIONS.context takes too much room: with {self._settings.max_segment_s:g} s of sound it needs "
                f"{num_positions} of {self._settings.max_positions} positions"
            )


def _final(results: dict[int, PieceResult]) -> tuple[str, str | None]:
    """Text and language of a segment's pieces."""
    pieces = [results[index] for index in sorted(results)]
    language = next((one.language for one in pieces if one.text), None)
    return join_texts((one.text for one in pieces), language), language
