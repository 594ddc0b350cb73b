"""What was said, and when: the results of recognition and alignment."""

import html
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from qwen_client.errors import InvalidRequest
from qwen_client.jobs import Timings, read_ending
from qwen_client.subtitles import Cue, SubtitleFormat, subtitles
from qwen_client.wire import Answer

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

PartT = TypeVar("PartT", bound="DataclassInstance")
SUBTITLE_FORMATS: dict[str, SubtitleFormat] = {".srt": "srt", ".vtt": "vtt"}
SUFFIXES = (".txt", ".json", *SUBTITLE_FORMATS)


@dataclass(frozen=True)
class Segment:
    """A stretch of the recording and what was said in it."""

    start_s: float
    end_s: float
    text: str


@dataclass(frozen=True)
class Word:
    """A word (or character) and when it was said."""

    text: str
    start_s: float
    end_s: float


@dataclass(frozen=True)
class FailedPiece:
    """A stretch of the recording that could not be transcribed, and why."""

    start_s: float
    end_s: float
    message: str


@dataclass(frozen=True)
class Transcription:
    """What was said; `language` is None and `segments` empty where nothing was.

    `words` None: not asked for. `cues`: the subtitles; None without timestamps. `failed`: stretches whose text is
    missing. `raw_text`: the text before numbers and dates were written in figures; None where that was not asked for.
    """

    text: str
    language: str | None
    duration_s: float
    segments: tuple[Segment, ...]
    words: tuple[Word, ...] | None
    cues: tuple[Cue, ...] | None = field(repr=False)
    failed: tuple[FailedPiece, ...]
    raw_text: str | None
    finish_reason: str
    timings: Timings
    request_id: str

    def as_dict(self) -> dict[str, Any]:
        """All fields, as JSON writes them."""
        return asdict(self)

    def as_subtitles(self, subtitle_format: SubtitleFormat) -> str:
        """The content of a subtitle file."""
        return _subtitles(self.cues, subtitle_format)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the text (`.txt`), subtitles (`.srt`, `.vtt`) or all fields (`.json`)."""
        _save(path, self.text, self.cues, self.as_dict())

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(self.text)}</p><small>{self.language or 'no speech'}, {self.duration_s:.1f} s</small>"


@dataclass(frozen=True)
class Alignment:
    """When each word of a known text was said."""

    words: tuple[Word, ...]
    language: str | None
    duration_s: float
    cues: tuple[Cue, ...] = field(repr=False)
    finish_reason: str
    timings: Timings
    request_id: str

    def as_dict(self) -> dict[str, Any]:
        """All fields, as JSON writes them."""
        return asdict(self)

    def lines(self) -> str:
        """A line a word: start, end and word, apart by tabs (Audacity reads it as a label track)."""
        return "\n".join(f"{word.start_s:.3f}\t{word.end_s:.3f}\t{word.text}" for word in self.words)

    def as_subtitles(self, subtitle_format: SubtitleFormat) -> str:
        """The content of a subtitle file."""
        return _subtitles(self.cues, subtitle_format)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write `lines()` (`.txt`), subtitles (`.srt`, `.vtt`) or all fields (`.json`)."""
        _save(path, self.lines(), self.cues, self.as_dict())


def read_transcription(answer: Answer, result_name: str = "RESULT") -> Transcription:
    """The transcription in an answer of `qwen3_asr`, or of a chain that gives its RESULT another name."""
    result = answer.json(result_name)
    ending = read_ending(result, answer.request_id)
    return Transcription(
        text=answer.text("TEXT"),
        language=result["language"],
        duration_s=result["duration_s"],
        segments=read_parts(Segment, result["segments"]),
        words=read_parts(Word, result["words"]) if "words" in result else None,
        cues=read_parts(Cue, result["cues"]) if "cues" in result else None,
        failed=read_parts(FailedPiece, result.get("failed", [])),
        raw_text=result.get("raw_text"),
        finish_reason=ending.finish_reason,
        timings=ending.timings,
        request_id=ending.request_id,
    )


def read_alignment(answer: Answer) -> Alignment:
    """The alignment in an answer of `qwen3_aligner`."""
    result = answer.json("RESULT")
    ending = read_ending(result, answer.request_id)
    return Alignment(
        words=read_parts(Word, result["words"]),
        language=result["language"],
        duration_s=result["duration_s"],
        cues=read_parts(Cue, result["cues"]),
        finish_reason=ending.finish_reason,
        timings=ending.timings,
        request_id=ending.request_id,
    )


def read_parts(kind: type[PartT], parts: Sequence[Mapping[str, Any]]) -> tuple[PartT, ...]:
    """Segments, words or cues of a RESULT or EVENT."""
    names = [one.name for one in fields(kind)]
    return tuple(kind(**{name: part[name] for name in names}) for part in parts)


def transcript_suffix(path: str | os.PathLike[str]) -> str:
    """The suffix of `path`, which says the file's format."""
    suffix = Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        raise InvalidRequest(f"{path} has no known transcript suffix; known: {', '.join(SUFFIXES)}")
    return suffix


def _save(path: str | os.PathLike[str], text: str, cues: Sequence[Cue] | None, told: Mapping[str, Any]) -> None:
    match transcript_suffix(path):
        case ".txt":
            content = text + "\n"
        case ".json":
            content = json.dumps(told, ensure_ascii=False, indent=2) + "\n"
        case suffix:
            content = _subtitles(cues, SUBTITLE_FORMATS[suffix])
    Path(path).write_text(content, encoding="utf-8")


def _subtitles(cues: Sequence[Cue] | None, subtitle_format: SubtitleFormat) -> str:
    if cues is None:
        raise InvalidRequest("there are no times for subtitles: ask for timestamps other than 'none'")
    return subtitles(cues, subtitle_format)
