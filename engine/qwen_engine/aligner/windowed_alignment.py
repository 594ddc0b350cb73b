"""A recording of any length and its words, aligned window by window.

The text does not say which words are in a window. So fewer words are aligned than it is likely to have, estimated from
the letters and the speech that are left. Then it is cut between two reliably timed words, in a pause if there is one,
and the next window begins there. A window whose last word is at its very end had too many words, and is aligned again
with fewer.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter

import numpy as np

from qwen_engine.aligner.timing import WordTime
from qwen_engine.aligner.words import TextWord
from qwen_engine.asr.silence import Span, speech_spans
from qwen_engine.asr.vad.bands import SAMPLE_RATE_HZ

TARGET_SHARE = 0.7  # of the speech in a window
FULL_SHARE = 0.95
RETRY_SHARE = 0.6
SAMPLES_PER_MS = SAMPLE_RATE_HZ // 1000


@dataclass(frozen=True)
class Window:
    """`words` to align with `samples`; `complete`: both are all that is left."""

    samples: np.ndarray
    words: Sequence[TextWord]
    complete: bool


class WindowedAlignment:
    """The alignment of one recording so far.

    Example:
        while (window := course.window()) is not None:
            course.take(window, find(window.samples, window.words))
        course.found
    """

    def __init__(self, samples: np.ndarray, words: Sequence[TextWord], max_window_s: float) -> None:
        self.found: list[WordTime] = []
        self._samples, self._words = samples, words
        self._length = int(max_window_s * SAMPLE_RATE_HZ)
        self._start = 0
        self._max_words = len(words)
        everything = [Span(0, len(samples))]
        self._speech = everything
        if len(samples) > self._length:
            self._speech = speech_spans(samples) or everything

    def window(self) -> Window | None:
        """The next window; None: all words are timed."""
        words = self._words[len(self.found) :]
        if not words:
            return None
        self._start = self._next_speech()
        if len(self._samples) - self._start <= self._length:
            return Window(self._samples[self._start :], words, complete=True)
        count = min(self._num_expected(words), self._max_words)
        return Window(self._samples[self._start : self._start + self._length], words[:count], complete=False)

    def take(self, window: Window, found: Sequence[WordTime]) -> None:
        """Accept the times `found` for `window`, up to a good place for the next one."""
        num_words = len(window.words)
        if window.complete:
            self._accept(found, 0)
        elif found[-1].end_ms > FULL_SHARE * len(window.samples) / SAMPLES_PER_MS:
            self._retry_with_fewer(num_words)
        else:
            num_accepted, cut_ms = self._cut(found) if num_words > 1 else (1, found[0].end_ms)
            self._accept(found[:num_accepted], cut_ms)

    def _accept(self, found: Sequence[WordTime], cut_ms: int) -> None:
        """Add `found`; the next window begins at `cut_ms` of this one."""
        self.found += [one.shifted(self._start // SAMPLES_PER_MS) for one in found]
        self._start += cut_ms * SAMPLES_PER_MS
        self._max_words = len(self._words)

    def _retry_with_fewer(self, num_words: int) -> None:
        """The words are not all within the window; a single one comes later."""
        if num_words == 1:
            self._start += self._length // 2
        else:
            self._max_words = int(RETRY_SHARE * num_words)

    def _next_speech(self) -> int:
        """The start of the next window: there is no speech before it. The last window has full length."""
        last = max(0, len(self._samples) - self._length)
        ahead = (max(span.start, self._start) for span in self._speech if span.end > self._start)
        return max(self._start, min(next(ahead, last), last))

    def _num_expected(self, words: Sequence[TextWord]) -> int:
        """The likely number of words in the first part of the window."""
        spoken = self._speech_between(self._start, len(self._samples))
        asked = self._speech_between(self._start, self._start + int(TARGET_SHARE * self._length))
        num_letters = np.cumsum([word.num_letters for word in words])
        return max(1, int(np.searchsorted(num_letters, num_letters[-1] * asked / max(1, spoken), side="right")))

    def _speech_between(self, start: int, end: int) -> int:
        return sum(max(0, min(span.end, end) - max(span.start, start)) for span in self._speech)

    def _cut(self, found: Sequence[WordTime]) -> tuple[int, int]:
        """How many words to accept, never all, and where the next window begins.

        Half of the words at least, unless the only pause comes before: a window that begins within a sentence finds
        its first words too late, and puts those of the next sentence into the pause.
        """
        half = max(1, len(found) // 2)

        def place_ms(count: int) -> int:
            return (found[count - 1].end_ms + found[count].start_ms) // 2

        def worth(count: int) -> tuple[bool, bool, bool, int, int]:
            before, after = found[count - 1], found[count]
            is_pause = not self._is_speech(self._start + place_ms(count) * SAMPLES_PER_MS)
            return before.reliable and after.reliable, is_pause, count >= half, after.start_ms - before.end_ms, count

        count = max(range(1, len(found)), key=worth)
        return count, place_ms(count)

    def _is_speech(self, place: int) -> bool:
        following = bisect_right(self._speech, place, key=attrgetter("start"))
        return following > 0 and place < self._speech[following - 1].end
