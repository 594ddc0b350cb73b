"""From the classes of marks to the times of words and characters."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from qwen_engine.aligner.prompt import MARKS_PER_WORD
from qwen_engine.aligner.timestamps import monotonic
from qwen_engine.aligner.words import TextWord, characters
from qwen_engine.asr.durations import Span, with_durations
from qwen_wire.transcripts import Word

MS_PER_S = 1000


@dataclass(frozen=True)
class WordTime:
    """The time of a word; `reliable`: no mark of it was repaired."""

    start_ms: int
    end_ms: int
    reliable: bool = True

    def shifted(self, ms: int) -> "WordTime":
        return WordTime(self.start_ms + ms, self.end_ms + ms, self.reliable)


def found_words(words: Sequence[TextWord], classes: Sequence[int], class_ms: int) -> list[WordTime]:
    """The times of `words`, whose units have two marks each, one after another in `classes`."""
    raw_ms = [class_ms * one for one in classes]
    ordered_ms = monotonic(raw_ms)
    found: list[WordTime] = []
    start = 0
    for word in words:
        end = start + MARKS_PER_WORD * len(word.units)
        reliable = ordered_ms[start:end] == raw_ms[start:end]
        found.append(WordTime(ordered_ms[start], ordered_ms[end - 1], reliable))
        start = end
    return found


def timed_words(words: Sequence[TextWord], found: Sequence[WordTime], duration_s: float, *, chars: bool) -> list[Word]:
    """`words`, or their characters, with times in seconds, up to `duration_s`; each has a duration."""
    until_ms = MS_PER_S * duration_s
    spans: list[Span] = [(min(times.start_ms, until_ms), min(times.end_ms, until_ms)) for times in found]
    spans = with_durations(spans, until_ms)
    texts = [word.text for word in words]
    if chars:
        parts = [characters(text) for text in texts]
        spans = [span for own, several in zip(spans, parts, strict=True) for span in _evenly(own, len(several))]
        spans, texts = with_durations(spans, until_ms), [part for several in parts for part in several]
    return [Word(text, start / MS_PER_S, end / MS_PER_S) for text, (start, end) in zip(texts, spans, strict=True)]


def _evenly(span: Span, number: int) -> Iterator[Span]:
    start, end = span
    step = (end - start) / number
    edges = [*(start + step * place for place in range(number)), end]
    return pairwise(edges)
