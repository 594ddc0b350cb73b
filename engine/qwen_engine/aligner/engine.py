"""The alignment engine: windows of all recordings share forwards."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from qwen_engine.aligner.checkpoint import AlignerCheckpoint
from qwen_engine.aligner.request import AlignRequest, TimedText
from qwen_engine.aligner.settings import AlignerSettings
from qwen_engine.aligner.timing import found_words, timed_words
from qwen_engine.aligner.windowed_alignment import Window, WindowedAlignment
from qwen_engine.asr.vad.bands import SAMPLE_RATE_HZ
from qwen_engine.audio import is_silent
from qwen_engine.loop import Model
from qwen_engine.samples import check_samples
from qwen_engine.session import Session, fail_alone, try_together
from qwen_wire.errors import InvalidRequest

MAX_WORDS_PER_S = 25  # in Chinese, characters
MIN_FILLED = 0.7  # share of a batch without padding


@dataclass(frozen=True, eq=False)
class _Work:
    """One window of a session, and its place in a batch."""

    session: Session[AlignRequest]
    alignment: WindowedAlignment
    window: Window
    after: Sequence[int]
    num_positions: int


class AlignerEngine(Model[AlignRequest]):
    """A `Model` for the engine loop. A step aligns the next window of every recording, the short ones first."""

    def __init__(self, settings: AlignerSettings) -> None:
        torch.set_num_threads(settings.num_threads)
        self.max_sessions = settings.max_batch
        self.checkpoint = AlignerCheckpoint(
            Path(settings.checkpoint),
            dtype=getattr(torch, settings.dtype),
            device=settings.device,
            max_positions=settings.max_positions,
        )
        self._settings = settings
        self._max_window_s = min(settings.max_piece_s, self.checkpoint.longest_s)
        self._alignments: dict[Session[AlignRequest], WindowedAlignment] = {}

    def prepare(self, request: AlignRequest) -> AlignRequest:
        settings, num_chars = self._settings, len(request.text)
        if request.duration_s > settings.max_audio_s:
            raise InvalidRequest(f"AUDIO lasts {request.duration_s:.1f} s; the limit is {settings.max_audio_s:g} s")
        if num_chars > settings.max_text_chars:
            raise InvalidRequest(f"TEXT has {num_chars} characters; the limit is {settings.max_text_chars}")
        check_samples(request.samples)
        _check_words(request)
        return request

    def step(self, sessions: Sequence[Session[AlignRequest]]) -> bool:
        works: list[_Work] = []
        for session in sessions:
            with fail_alone(session):
                works += self._next(session)
        for batch in _batches(works, self._settings.max_step_positions):
            try_together(batch, self._align, lambda work, error: work.session.fail(error))
        return True

    def retire(self, session: Session[AlignRequest]) -> None:
        self._alignments.pop(session, None)

    def _next(self, session: Session[AlignRequest]) -> list[_Work]:
        """The next window of a session; none where it is finished."""
        request = session.request
        if session not in self._alignments:
            self._alignments[session] = WindowedAlignment(request.samples, request.words, self._max_window_s)
        alignment = self._alignments[session]
        if (window := alignment.window()) is None:
            session.emit(_alignment(request, alignment))
            session.finish("stop")
            return []
        after = self.checkpoint.prompts.after([unit for word in window.words for unit in word.units])
        num_positions = self.checkpoint.num_positions(len(window.samples), after)
        return [_Work(session, alignment, window, after, num_positions)]

    def _align(self, batch: Sequence[_Work]) -> None:
        classes = self.checkpoint.classes([(work.window.samples, work.after) for work in batch])
        for work, found in zip(batch, classes, strict=True):
            with fail_alone(work.session):
                work.alignment.take(work.window, found_words(work.window.words, found, self.checkpoint.config.class_ms))


def _check_words(request: AlignRequest) -> None:
    num_words = len(request.words)  # raises for an unknown language
    if not num_words:
        if request.text.strip():
            raise InvalidRequest(f"TEXT is {request.text[:80]!r}: it has no word to align, only signs")
        return
    if num_words > MAX_WORDS_PER_S * max(1.0, request.duration_s):
        raise InvalidRequest(
            f"TEXT has {num_words} words for {request.duration_s:.1f} s of AUDIO; the limit is "
            f"{MAX_WORDS_PER_S} a second"
        )
    if is_silent(request.samples, sample_rate_hz=SAMPLE_RATE_HZ):
        raise InvalidRequest("AUDIO is silent: no word of TEXT is said in it")


def _alignment(request: AlignRequest, alignment: WindowedAlignment) -> TimedText:
    return TimedText(
        text=request.text,
        language=request.text_language,
        duration_s=request.duration_s,
        words=timed_words(request.words, alignment.found, request.duration_s, chars=request.chars),
        damage_s=request.damage_s,
    )


def _batches(works: Sequence[_Work], max_positions: int) -> Iterator[Sequence[_Work]]:
    """Windows of similar length together, the shortest first: padded, up to `max_positions`, or one window."""
    batch: list[_Work] = []
    filled = 0
    for work in sorted(works, key=lambda work: work.num_positions):
        room = work.num_positions * (len(batch) + 1)
        if batch and (room > max_positions or filled + work.num_positions < MIN_FILLED * room):
            yield batch
            batch, filled = [], 0
        batch.append(work)
        filled += work.num_positions
    if batch:
        yield batch
