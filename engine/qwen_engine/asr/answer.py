"""A transcript as the caller wants it: TEXT and RESULT of `qwen3_asr`."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from qwen_engine.asr.itn import timed_figures, write_figures
from qwen_engine.asr.joining import join_texts
from qwen_engine.asr.request import Failure, Segment, Transcript, Word
from qwen_engine.asr.subtitles import Cue, cues_of_segments, cues_of_words, subtitles, words_of
from qwen_engine.options import AsrOptions


def answer(transcript: Transcript, options: AsrOptions) -> tuple[str, dict[str, Any]]:
    """TEXT (plain, or the subtitle document) and RESULT (docs/wire-protocol.md) of a transcript."""
    shown = _in_figures(transcript) if options.itn else transcript
    result: dict[str, Any] = {"language": shown.language, "duration_s": round(shown.duration_s, 3), "text": shown.text}
    if options.itn:
        result["raw_text"] = transcript.text
    cues = [] if options.timestamps == "none" else _cues(shown, options)
    if options.return_format != "text":
        result |= _details(shown, cues, options)
    if shown.failed:
        result["failed"] = [_told_failure(failure) for failure in shown.failed]
    if options.return_format in ("srt", "vtt"):
        return subtitles(cues, options.return_format), result
    return shown.text, result


def told_words(words: Sequence[Word]) -> list[dict[str, Any]]:
    """Words as RESULT has them, here and in the aligner's."""
    return [{"text": word.text, **_told_times(word)} for word in words]


def told_cues(cues: Sequence[Cue]) -> list[dict[str, Any]]:
    """Cues as RESULT has them, here and in the aligner's."""
    return [{**_told_times(cue), "text": cue.text} for cue in cues]


def _details(shown: Transcript, cues: Sequence[Cue], options: AsrOptions) -> dict[str, Any]:
    verbose = options.return_format == "verbose_json"
    details: dict[str, Any] = {"segments": [_told_segment(segment, verbose) for segment in shown.segments]}
    if shown.words is not None:
        details["words"] = told_words(shown.words)
    if options.timestamps != "none":
        details["cues"] = told_cues(cues)
    return details


def _in_figures(transcript: Transcript) -> Transcript:
    segments = [
        replace(segment, text=write_figures(segment.text, segment.language or transcript.language))
        for segment in transcript.segments
    ]
    text = join_texts((segment.text for segment in segments), transcript.language)
    return replace(transcript, text=text, segments=segments)


def _cues(shown: Transcript, options: AsrOptions) -> list[Cue]:
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


def _told_segment(segment: Segment, verbose: bool) -> dict[str, Any]:
    told = {**_told_times(segment), "text": segment.text}
    return {**told, "language": segment.language, "num_tokens": segment.num_tokens} if verbose else told


def _told_failure(failure: Failure) -> dict[str, Any]:
    return {**_told_times(failure), "message": failure.message}


def _told_times(part: Segment | Word | Cue | Failure) -> dict[str, float]:
    """To the millisecond: the samples of a second are no round part of it."""
    return {"start_s": round(part.start_s, 3), "end_s": round(part.end_s, 3)}
