"""RESULT of `qwen3_aligner`."""

from qwen_engine.aligner.request import TimedText
from qwen_engine.asr.cues import cues_of_words
from qwen_wire.transcripts import Alignment


def answer(timed: TimedText) -> Alignment:
    """RESULT of an alignment."""
    return Alignment(
        language=timed.language,
        duration_s=timed.duration_s,
        damage_s=timed.damage_s,
        words=tuple(timed.words),
        cues=tuple(cues_of_words(timed.words, timed.text, timed.language, timed.duration_s)),
    )
