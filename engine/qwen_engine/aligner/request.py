"""The request and the result of an alignment. Samples are float32, mono, 16 kHz."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qwen_engine.aligner.words import TextWord, language_of_script, split_words
from qwen_engine.asr.vad.bands import SAMPLE_RATE_HZ
from qwen_wire.errors import InvalidRequest
from qwen_wire.languages import NAMES, resolve_language
from qwen_wire.transcripts import Word

CODES = ("yue", "zh", "en", "fr", "de", "it", "ja", "ko", "pt", "ru", "es")
LANGUAGES = tuple(NAMES[code] for code in CODES)


@dataclass(frozen=True)
class AlignRequest:
    """A recording and its text. `language`: as `resolve_language` takes it; `chars`: time each
    character, not each word; `damage_s`: seconds of the recording that are missing or could not be decoded."""

    samples: np.ndarray
    text: str
    language: str | None = None
    chars: bool = False
    damage_s: float = 0.0

    @property
    def duration_s(self) -> float:
        return len(self.samples) / SAMPLE_RATE_HZ

    @functools.cached_property
    def text_language(self) -> str | None:
        """The English name of the stated language, else of the one that the script implies.

        Raises:
            InvalidRequest: it is stated and not one of the eleven.
        """
        name = resolve_language(self.language, allowed=LANGUAGES, hears_dialects=True)
        return name or language_of_script(self.text)

    @functools.cached_property
    def words(self) -> list[TextWord]:
        return split_words(self.text, self.text_language)


@dataclass(frozen=True)
class TimedText:
    """`text` with the times of its words (or characters); `language` is None where neither name nor script gives it."""

    text: str
    language: str | None
    duration_s: float
    words: Sequence[Word]
    damage_s: float = 0.0


def check_language(name: str | None) -> None:
    """Raise `InvalidRequest` if `name` (an English one, None: any) is not a language of the aligner."""
    if name is not None and name not in LANGUAGES:
        known = ", ".join(f"{NAMES[code]} ({code})" for code in CODES)
        raise InvalidRequest(f"the aligner does not know {name}; it knows {known}")
