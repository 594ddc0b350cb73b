"""When each word is heard, from espeak-ng's word events: the truth for the demo aligner.

espeak-ng tells starts only, within some 5 ms of the first audible sample after a pause. A word ends where the next one
starts, or where the sound stops before a pause.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from demo.training.asr_data import SAMPLE_RATE_HZ
from demo.training.clips import AUDIBLE, Span

WORD = re.compile(r"[\u4e00-\u9fff]|[a-z]+(?:'[a-z]+)*", re.IGNORECASE)
PAUSE_S = 0.1  # shorter silences belong to the word, such as those before a t


@dataclass(frozen=True)
class TimedWord:
    """A word, in Chinese a character, with its start and end in seconds from the start of the clip."""

    text: str
    start_s: float
    end_s: float


def timed_words(span: Span) -> Iterator[TimedWord]:
    """The words of one sentence in the order of the text, without punctuation."""
    samples = span.utterance.samples
    loudness = np.abs(samples.astype(np.int32))
    loud = np.flatnonzero(loudness >= AUDIBLE * loudness.max()) + span.start
    matches = list(WORD.finditer(span.text))
    starts = [span.position_of(match.start()) for match in matches] + [span.heard_end]
    for match, start, end in zip(matches, starts[:-1], starts[1:], strict=True):
        start, end = _without_pauses(start, end, loud)
        yield TimedWord(match[0], start / SAMPLE_RATE_HZ, end / SAMPLE_RATE_HZ)


def _without_pauses(start: int, end: int, loud: np.ndarray) -> tuple[int, int]:
    """`start` and `end` moved to the sound between them where a pause lies there; `loud`: the audible samples."""
    inside = loud[np.searchsorted(loud, start) : np.searchsorted(loud, end)]
    pause = PAUSE_S * SAMPLE_RATE_HZ
    if len(inside) == 0:
        return start, end
    return (
        int(inside[0]) if inside[0] - start > pause else start,
        int(inside[-1]) if end - inside[-1] > pause else end,
    )
