"""The aligner as the recogniser's word timer."""

from pathlib import Path

import numpy as np
import torch

from qwen_engine.aligner.checkpoint import AlignerCheckpoint
from qwen_engine.aligner.request import check_language
from qwen_engine.aligner.timing import found_words, timed_words
from qwen_engine.aligner.words import split_words
from qwen_engine.asr.request import SAMPLE_RATE_HZ, Word
from qwen_engine.settings import AsrSettings

POSITIONS_PER_TOKEN = 8  # a token of the recogniser may be two Chinese characters, read apart, with two marks each


class AlignerTimer:
    """Finds the words of one piece of a recording, in one forward."""

    def __init__(self, checkpoint: AlignerCheckpoint) -> None:
        self._checkpoint = checkpoint

    def times(self, samples: np.ndarray, text: str, language: str | None, *, chars: bool) -> list[Word]:
        """As `WordTimer.times`; none for a text without words.

        Raises:
            InvalidRequest: `language` (an English name, or None) is none of the eleven.
        """
        check_language(language)
        words = split_words(text, language)
        if not words:
            return []
        after = self._checkpoint.prompts.after([unit for word in words for unit in word.units])
        (classes,) = self._checkpoint.classes([(samples, after)])
        found = found_words(words, classes, self._checkpoint.config.class_ms)
        return timed_words(words, found, len(samples) / SAMPLE_RATE_HZ, chars=chars)


def word_timer(settings: AsrSettings) -> AlignerTimer | None:
    """The word timer that the recogniser's settings name, on the recogniser's device; None where they name none."""
    if settings.aligner_checkpoint is None:
        return None
    checkpoint = AlignerCheckpoint(
        Path(settings.aligner_checkpoint),
        dtype=getattr(torch, settings.dtype),
        device=settings.device,
        max_positions=POSITIONS_PER_TOKEN * settings.max_positions,
    )
    return AlignerTimer(checkpoint)
