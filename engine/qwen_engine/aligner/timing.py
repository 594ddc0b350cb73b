"""From what the aligner says of each mark to the times of words and characters."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from qwen_engine.aligner.prompt import MARKS_PER_WORD
from qwen_engine.aligner.timestamps import in_order
from qwen_engine.aligner.words import TextWord, characters
from qwen_wire.transcripts import Word


@dataclass(frozen=True)
class Found:
    """When a word is said; `sure`: its times came as they are, none had to be put in order."""

    start_ms: int
    end_ms: int
    sure: bool = True

    def later(self, ms: int) -> "Found":
        return Found(self.start_ms + ms, self.end_ms + ms, self.sure)


def found_words(words: Sequence[TextWord], classes: Sequence[int], class_ms: int) -> list[Found]:
    """The times of `words`, whose units have two marks each, one after another in `classes`."""
    told_ms = [class_ms * one for one in classes]
    ordered_ms = in_order(told_ms)
    found: list[Found] = []
    start = 0
    for word in words:
        end = start + MARKS_PER_WORD * len(word.units)
        sure = ordered_ms[start:end] == told_ms[start:end]
        found.append(Found(ordered_ms[start], ordered_ms[end - 1], sure))
        start = end
    return found


def timed_words(words: Sequence[TextWord], found: Sequence[Found], duration_s: float, *, chars: bool) -> list[Word]:
    """`words`, or their characters, with times in seconds that do not go beyond `duration_s`."""
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
