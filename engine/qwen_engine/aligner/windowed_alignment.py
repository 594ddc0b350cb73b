"""A recording of any length and its words, aligned window by window.

Nothing tells which words of a long text are said within a window. So each one is asked for fewer words than it is
likely to hold, judged by the letters and the speech that are left. Then it is cut at a known time, between two words
that were surely found, in a pause if there is one, and the next window begins there. A window whose last word is found
at its very end was asked for too many, and is asked again for fewer.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter

import numpy as np

from qwen_engine.aligner.timing import Found
from qwen_engine.aligner.words import TextWord
from qwen_engine.asr.silence import Span, speech_spans
from qwen_engine.asr.vad.bands import SAMPLE_RATE_HZ

ASKED_SHARE = 0.7  # of the speech in a window
FULL_SHARE = 0.95
FEWER = 0.6
SAMPLES_PER_MS = SAMPLE_RATE_HZ // 1000


@dataclass(frozen=True)
class Window:
    """`words` to be found in `samples`; `complete`: they are all that is left, of both."""

    samples: np.ndarray
    words: Sequence[TextWord]
    complete: bool


class WindowedAlignment:
    """How far the words of one recording have been found.

    Example:
        while (window := course.window()) is not None:
            course.take(window, find(window.samples, window.words))
        course.found
    """

    def __init__(self, samples: np.ndarray, words: Sequence[TextWord], max_window_s: float) -> None:
        self.found: list[Found] = []
        self._samples, self._words = samples, words
        self._length = int(max_window_s * SAMPLE_RATE_HZ)
        self._start = 0
        self._most_words = len(words)
        everything = [Span(0, len(samples))]
        self._speech = everything
        if len(samples) > self._length:
            self._speech = speech_spans(samples) or everything

    def window(self) -> Window | None:
        """What to look for next; None: all words are found."""
        words = self._words[len(self.found) :]
        if not words:
            return None
        self._start = self._next_speech()
        if len(self._samples) - self._start <= self._length:
            return Window(self._samples[self._start :], words, complete=True)
        count = min(self._num_expected(words), self._most_words)
        return Window(self._samples[self._start : self._start + self._length], words[:count], complete=False)

    def take(self, window: Window, found: Sequence[Found]) -> None:
        """Keep what was `found` of the words of `window`, up to a good place to go on from."""
        num_words = len(window.words)
        if window.complete:
            self._keep(found, 0)
        elif found[-1].end_ms > FULL_SHARE * len(window.samples) / SAMPLES_PER_MS:
            self._ask_for_fewer(num_words)
        else:
            kept, cut_ms = self._cut(found) if num_words > 1 else (1, found[0].end_ms)
            self._keep(found[:kept], cut_ms)

    def _keep(self, found: Sequence[Found], cut_ms: int) -> None:
        """`found` of the window is right; the next one begins at `cut_ms` of it."""
        self.found += [one.later(self._start // SAMPLES_PER_MS) for one in found]
        self._start += cut_ms * SAMPLES_PER_MS
        self._most_words = len(self._words)

    def _ask_for_fewer(self, num_words: int) -> None:
        """What was asked for is not within the window; if it was a single word, that comes later."""
        if num_words == 1:
            self._start += self._length // 2
        else:
            self._most_words = int(FEWER * num_words)

    def _next_speech(self) -> int:
        """From where on to look: nothing is said up to there. The last window is as long as any."""
        last = max(0, len(self._samples) - self._length)
        ahead = (max(span.start, self._start) for span in self._speech if span.end > self._start)
        return max(self._start, min(next(ahead, last), last))

    def _num_expected(self, words: Sequence[TextWord]) -> int:
        """How many words are likely said in the first part of the window."""
        spoken = self._speech_between(self._start, len(self._samples))
        asked = self._speech_between(self._start, self._start + int(ASKED_SHARE * self._length))
        num_letters = np.cumsum([word.num_letters for word in words])
        return max(1, int(np.searchsorted(num_letters, num_letters[-1] * asked / max(1, spoken), side="right")))

    def _speech_between(self, start: int, end: int) -> int:
        return sum(max(0, min(span.end, end) - max(span.start, start)) for span in self._speech)

    def _cut(self, found: Sequence[Found]) -> tuple[int, int]:
        """How many words to keep, never all, and where in the window to go on from.

        Half of the words at least, unless the only pause comes before: a window that begins within a sentence finds
        its first words too late, and puts those of the next sentence into the pause.
        """
        half = max(1, len(found) // 2)

        def place_ms(count: int) -> int:
            return (found[count - 1].end_ms + found[count].start_ms) // 2

        def worth(count: int) -> tuple[bool, bool, bool, int, int]:
            before, after = found[count - 1], found[count]
            is_pause = not self._is_speech(self._start + place_ms(count) * SAMPLES_PER_MS)
            return before.sure and after.sure, is_pause, count >= half, after.start_ms - before.end_ms, count

        count = max(range(1, len(found)), key=worth)
        return count, place_ms(count)

    def _is_speech(self, place: int) -> bool:
        following = bisect_right(self._speech, place, key=attrgetter("start"))
        return following > 0 and place < self._speech[following - 1].end
