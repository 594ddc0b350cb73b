"""From the classes of marks to the times of words and characters."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from qwen_engine.aligner.prompt import MARKS_PER_WORD
from qwen_engine.aligner.timestamps import monotonic
from qwen_engine.aligner.words import TextWord, characters
from qwen_wire.transcripts import Word


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
    """`words`, or their characters, with times in seconds, up to `duration_s`."""
    timed = [
        Word(word.text, min(times.start_ms / 1000, duration_s), min(times.end_ms / 1000, duration_s))
        for word, times in zip(words, found, strict=True)
    ]
    return [char for word in timed for char in _timed_characters(word)] if chars else timed


def _timed_characters(word: Word) -> Iterator[Word]:
    """The characters of a word share its time evenly."""
    parts = characters(word.text)
    step_s = (word.end_s - word.start_s) / len(parts)
    edges = [*(word.start_s + step_s * place for place in range(len(parts))), word.end_s]
    for part, (start_s, end_s) in zip(parts, pairwise(edges), strict=True):
        yield Word(part, start_s, end_s)
