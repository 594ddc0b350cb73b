"""TEXT and RESULT of `qwen3_asr`, in the form that the options ask for."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace

from qwen_engine.asr.cues import cues_of_segments, cues_of_words, words_of
from qwen_engine.asr.itn import timed_figures, write_figures
from qwen_engine.asr.request import Recognition
from qwen_engine.asr.text_join import join_texts
from qwen_wire.options import AsrOptions
from qwen_wire.subtitles import subtitles
from qwen_wire.transcripts import Cue, Segment, Transcript, Word


def answer(recognition: Recognition, options: AsrOptions) -> tuple[str, Transcript]:
    """TEXT (plain, or the subtitle document) and RESULT."""
    shown = _in_figures(recognition) if options.itn else recognition
    cues = None if options.timestamps == "none" else _cues(shown, options)
    result = Transcript(
        language=shown.language,
        duration_s=shown.duration_s,
        text=shown.text,
        raw_text=recognition.text if options.itn else None,
        damage_s=shown.damage_s,
        failed=tuple(shown.failed),
        finish_reason=shown.finish_reason,
        seed=shown.seed,
    )
    file_format = options.return_format if options.return_format in ("srt", "vtt") else None
    text = subtitles(cues or (), file_format) if file_format else shown.text
    return text, result if options.return_format == "text" else _detailed(result, shown, cues, options)


def _detailed(result: Transcript, shown: Recognition, cues: Sequence[Cue] | None, options: AsrOptions) -> Transcript:
    verbose = options.return_format == "verbose_json"
    return replace(
        result,
        segments=tuple(shown.segments if verbose else map(_brief, shown.segments)),
        words=None if shown.words is None else tuple(shown.words),
        cues=None if cues is None else tuple(cues),
    )


def _brief(segment: Segment) -> Segment:
    return Segment(segment.start_s, segment.end_s, segment.text)


def _in_figures(recognition: Recognition) -> Recognition:
    segments = [
        replace(segment, text=write_figures(segment.text, segment.language or recognition.language))
        for segment in recognition.segments
    ]
    text = join_texts((segment.text for segment in segments), recognition.language)
    return replace(recognition, text=text, segments=segments)


def _cues(shown: Recognition, options: AsrOptions) -> list[Cue]:
    if shown.words is None or not shown.segments:
        return cues_of_segments(shown.segments, shown.language, shown.duration_s)
    spoken = zip(shown.segments, _by_segment(shown.words, shown.segments), strict=True)
    words = [word for segment, words in spoken for word in _shown_words(segment, words, options)]
    return cues_of_words(words, shown.text, shown.language, shown.duration_s)


def _by_segment(words: Sequence[Word], segments: Sequence[Segment]) -> list[list[Word]]:
    starts = [segment.start_s for segment in segments]
    found: list[list[Word]] = [[] for _ in segments]
    for word in words:
        found[max(0, bisect_right(starts, (word.start_s + word.end_s) / 2) - 1)].append(word)
    return found


def _shown_words(segment: Segment, spoken: Sequence[Word], options: AsrOptions) -> Sequence[Word]:
    """The words of a segment as they are shown; if none has a time, all share the segment's."""
    evenly = words_of(segment)
    if not spoken:
        return evenly
    if not options.itn:
        return spoken
    written = [word.text for word in evenly]
    chars = options.timestamps == "char"
    return timed_figures(spoken, list("".join(written)) if chars else written, chars=chars)
