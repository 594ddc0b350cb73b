"""An alignment as the caller gets it: RESULT of `qwen3_aligner`."""

from typing import Any

from qwen_engine.aligner.request import Alignment
from qwen_engine.asr.answer import told_cues, told_words
from qwen_engine.asr.subtitles import cues_of_words


def answer(alignment: Alignment) -> dict[str, Any]:
    """RESULT (docs/wire-protocol.md) of an alignment."""
    duration_s = alignment.duration_s
    return {
        "language": alignment.language,
        "duration_s": round(duration_s, 3),
        "words": told_words(alignment.words),
        "cues": told_cues(cues_of_words(alignment.words, alignment.text, alignment.language, duration_s)),
    }
