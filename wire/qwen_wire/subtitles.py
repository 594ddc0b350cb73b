"""Subtitle files of cues."""

import html
from collections.abc import Sequence
from typing import Literal

from pysubs2 import SSAEvent, SSAFile

from qwen_wire.transcripts import Cue

SubtitleFormat = Literal["srt", "vtt"]

MS_PER_S = 1000
WORD_JOINER = "\N{WORD JOINER}"


def subtitles(cues: Sequence[Cue], subtitle_format: SubtitleFormat) -> str:
    """The file's content; the text is shown as it is, whatever markup it looks like."""
    file = SSAFile()
    for cue in cues:
        text = html.escape(cue.text, quote=False) if subtitle_format == "vtt" else cue.text
        file.append(SSAEvent(round(cue.start_s * MS_PER_S), round(cue.end_s * MS_PER_S), _unmarked(text)))
    return file.to_string(subtitle_format, keep_ssa_tags=True)


def _unmarked(text: str) -> str:
    # For pysubs2 a backslash begins a command, such as its line break.
    return text.replace("\\", f"\\{WORD_JOINER}").replace("\n", r"\N")
