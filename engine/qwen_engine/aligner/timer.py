"""The aligner as the recogniser's word timer."""

from pathlib import Path

import numpy as np
import torch

from qwen_engine.aligner.checkpoint import AlignerCheckpoint
from qwen_engine.aligner.request import check_language
from qwen_engine.aligner.timing import WordTime, found_words, timed_words
from qwen_engine.aligner.windowed_alignment import Window, WindowedAlignment
from qwen_engine.aligner.words import split_words
from qwen_engine.asr.settings import AsrSettings
from qwen_engine.asr.vad.bands import SAMPLE_RATE_HZ
from qwen_wire.transcripts import Word

POSITIONS_PER_TOKEN = 8  # a token of the recogniser may be two Chinese characters, each a word with two marks


class AlignerTimer:
    """Times the words of one piece of a recording, in one forward if it is no longer than `max_window_s`."""

    def __init__(self, checkpoint: AlignerCheckpoint, max_window_s: float) -> None:
        self._checkpoint = checkpoint
        self._max_window_s = min(max_window_s, checkpoint.longest_s)

    def times(self, samples: np.ndarray, text: str, language: str | None, *, chars: bool) -> list[Word]:
        """As `WordTimer.times`; none for a text without words.

        Raises:
            InvalidRequest: `language` (an English name, or None) is not one of the eleven.
        """
        check_language(language)
        words = split_words(text, language)
        alignment = WindowedAlignment(samples, words, self._max_window_s)
        while (window := alignment.window()) is not None:
            alignment.take(window, self._find(window))
        return timed_words(words, alignment.found, len(samples) / SAMPLE_RATE_HZ, chars=chars)

    def _find(self, window: Window) -> list[WordTime]:
        after = self._checkpoint.prompts.after([unit for word in window.words for unit in word.units])
        (classes,) = self._checkpoint.classes([(window.samples, after)])
        return found_words(window.words, classes, self._checkpoint.config.class_ms)


def word_timer(settings: AsrSettings) -> AlignerTimer | None:
    """The word timer of the recogniser's settings, on its device; None: they have none."""
    if settings.aligner_checkpoint is None:
        return None
    checkpoint = AlignerCheckpoint(
        Path(settings.aligner_checkpoint),
        dtype=getattr(torch, settings.dtype),
        device=settings.device,
        max_positions=POSITIONS_PER_TOKEN * settings.max_positions,
    )
    return AlignerTimer(checkpoint, settings.max_aligned_s)
