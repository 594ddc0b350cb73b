"""Long recordings in pieces that the recogniser can take, cut in pauses."""

from dataclasses import dataclass

import numpy as np

from qwen_engine.asr.silence import BY_ENERGY, Span, softest, speech_spans
from qwen_engine.asr.vad.activity import Detector
from qwen_engine.asr.vad.bands import SAMPLE_RATE_HZ

MAX_PIECE_S = 30.0
MIN_PIECE_S = 1.0  # shorter ones go with a neighbour, where one is near
MAX_PAUSE_S = 1.0  # a longer silence, padding left out, ends a piece and is dropped
MAX_PAUSE_BESIDE_SHORT_S = 3.0


@dataclass(frozen=True)
class _Limits:
    """In samples."""

    piece: int
    short: int
    pause: int
    pause_beside_short: int

    def belong_together(self, piece: Span, following: Span) -> bool:
        """Whether one piece may hold both."""
        either_short = min(len(piece), len(following)) < self.short
        pause = self.pause_beside_short if either_short else self.pause
        return following.start - piece.end <= pause and following.end - piece.start <= self.piece


def split(
    samples: np.ndarray, max_piece_s: float = MAX_PIECE_S, *, vad: bool = True, detector: Detector = BY_ENERGY
) -> list[Span]:
    """The pieces of `samples` (n,), at 16 kHz, to recognise, in order; at most `max_piece_s` (of 2 s or more) long.

    With `vad`, what `detector` takes for silence is dropped and cuts go through pauses; speech without pause is cut
    where it is softest, in the second half of what a piece may hold. Without, everything is kept and cut by length
    alone, also then where it is softest. No speech: no pieces.
    """
    everything = [Span(0, len(samples))] if len(samples) else []
    found = speech_spans(samples, detector) if vad else everything
    limits = _Limits(
        *(int(s * SAMPLE_RATE_HZ) for s in (max_piece_s, MIN_PIECE_S, MAX_PAUSE_S, MAX_PAUSE_BESIDE_SHORT_S))
    )
    merged = _merge(found, limits)
    return [piece for span in merged for piece in _cut(span, samples, limits)]


def silences(pieces: list[Span], num_samples: int) -> list[Span]:
    """What `pieces` leave out of a recording; together they are the whole of it."""
    edges = [0, *(edge for piece in pieces for edge in (piece.start, piece.end)), num_samples]
    gaps = [Span(start, end) for start, end in zip(edges[::2], edges[1::2], strict=True)]
    return [gap for gap in gaps if len(gap)]


def _merge(spans: list[Span], limits: _Limits) -> list[Span]:
    merged: list[Span] = []
    for span in spans:
        if merged and limits.belong_together(merged[-1], span):
            merged[-1] = Span(merged[-1].start, span.end)
        else:
            merged.append(span)
    return merged


def _cut(span: Span, samples: np.ndarray, limits: _Limits) -> list[Span]:
    """`span` in parts that are not too long, none of them short."""
    parts: list[Span] = []
    while len(span) > limits.piece:
        earliest = span.start + limits.piece // 2
        latest = min(span.start + limits.piece, span.end - limits.short)
        at = earliest + softest(samples[earliest:latest])
        parts.append(Span(span.start, at))
        span = Span(at, span.end)
    return [*parts, span]
