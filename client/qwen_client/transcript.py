"""What was said, and when: the results of recognition and alignment."""

import html
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from qwen_client.messages import Answer
from qwen_client.short_repr import ShortRepr
from qwen_wire import transcripts as wire
from qwen_wire.errors import InvalidRequest
from qwen_wire.subtitles import SubtitleFormat, subtitles
from qwen_wire.transcripts import Cue

SUBTITLE_FORMATS: dict[str, SubtitleFormat] = {".srt": "srt", ".vtt": "vtt"}
SUFFIXES = (".txt", ".json", *SUBTITLE_FORMATS)


@dataclass(frozen=True, kw_only=True, repr=False)
class Transcription(ShortRepr, wire.Transcript):
    """What was said; `language` is None and `segments` empty where nothing was.

    `words` None: not asked for. `cues`: the subtitles; None without timestamps. `failed`: stretches whose text is
    missing. `damage_s`: seconds of sound that are missing in the recording or could not be decoded. `raw_text`: the
    text before numbers and dates were written in figures; None where that was not asked for.
    """

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


@dataclass(frozen=True, kw_only=True, repr=False)
class Alignment(ShortRepr, wire.Alignment):
    """When each word of a known text was said; `damage_s` as of a `Transcription`."""

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
    return answer.message(Transcription, result_name)


def read_alignment(answer: Answer) -> Alignment:
    """The alignment in an answer of `qwen3_aligner`."""
    return answer.message(Alignment, "RESULT")


def transcript_suffix(path: str | os.PathLike[str]) -> str:
    """The suffix of `path`, which says the file's format."""
    suffix = Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        raise InvalidRequest(f"{path} has no known transcript suffix; known: {', '.join(SUFFIXES)}")
    return suffix


def _save(path: str | os.PathLike[str], text: str, cues: Sequence[Cue] | None, fields: Mapping[str, Any]) -> None:
    match transcript_suffix(path):
        case ".txt":
            content = text + "\n"
        case ".json":
            content = json.dumps(fields, ensure_ascii=False, indent=2) + "\n"
        case suffix:
            content = _subtitles(cues, SUBTITLE_FORMATS[suffix])
    Path(path).write_text(content, encoding="utf-8")


def _subtitles(cues: Sequence[Cue] | None, subtitle_format: SubtitleFormat) -> str:
    if cues is None:
        raise InvalidRequest("there are no times for subtitles: ask for timestamps other than 'none'")
    return subtitles(cues, subtitle_format)
