"""Minutes of a meeting: `client.chains.meeting_minutes`."""

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

from pydantic_core import to_jsonable_python

from qwen_client.audio import AudioInput
from qwen_client.chains.requests import ChainJob, chain_job
from qwen_client.chains.results import Made
from qwen_client.documents.blocks import Block, Facts, Figure, Heading, Items, Table
from qwen_client.documents.document import Document
from qwen_client.documents.folder import Folder
from qwen_client.documents.word import require_word
from qwen_client.documents.words import word
from qwen_client.extras import audio_extra
from qwen_client.pictures import Picture
from qwen_client.short_repr import ShortRepr
from qwen_client.shortfalls import Shortfall
from qwen_client.texts import text_items
from qwen_wire.languages import CODES, autonym
from qwen_wire.subtitles import SubtitleFormat, subtitles
from qwen_wire.theme import written_language
from qwen_wire.transcripts import Cue, clock_time

FIGURES = {
    "timeline": "When it was said",
    "responsibilities": "Who does what",
    "gantt": "Until when",
    "illustration": "Illustration",
}


@dataclass(frozen=True)
class SpokenLine:
    """A sentence of one speaker."""

    start_s: float
    end_s: float
    speaker: str
    text: str


@dataclass(frozen=True)
class Action:
    """A task, who does it and until when: `due` as it was said, `due_date` where that names a day."""

    task: str
    owner: str
    due: str
    due_date: date | None


@dataclass(frozen=True)
class DatedEvent:
    """An event and its day: as it was said, and `on` where that names a day."""

    event: str
    day: str
    on: date | None


@dataclass(frozen=True, repr=False)
class MeetingMinutes(Document, ShortRepr):
    """What was said, decided and left to do. A picture is None where there was nothing to draw.

    `day` is the day from which "Friday" is counted, `language` that of most of the speech, by its English name (None
    where nothing was said), `duration_s` that of the longest recording. `untranscribed`: stretches of the recordings
    whose text is missing, each as a sentence. `shortfalls`: what was cut, damaged, missing or left out on the way.
    """

    title: str
    day: date | None
    language: str | None
    duration_s: float
    speakers: tuple[str, ...]
    decisions: tuple[str, ...]
    actions: tuple[Action, ...]
    dates: tuple[DatedEvent, ...]
    lines: tuple[SpokenLine, ...]
    cues: tuple[Cue, ...]
    untranscribed: tuple[str, ...]
    timeline: Picture | None
    responsibilities: Picture | None
    gantt: Picture | None
    illustration: Picture | None
    shortfalls: tuple[Shortfall, ...] = ()
    seed: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """All but the pictures and cues, as JSON writes them; days are ISO dates."""
        fields = {name: value for name, value in asdict(self).items() if name not in (*FIGURES, "cues")}
        plain: dict[str, Any] = to_jsonable_python(fields)
        return plain

    def as_subtitles(self, subtitle_format: SubtitleFormat) -> str:
        """The content of a subtitle file; each speaker is named."""
        return subtitles(self.cues, subtitle_format)

    def save(self, folder: str | os.PathLike[str]) -> list[Path]:
        """Write `minutes.md`, `.docx` and `.json`, `transcript.srt` and the pictures into a folder; returns the files.

        The Word document needs python-docx.
        """
        require_word()  # before anything is written
        files = Folder(folder)
        for name, picture in self._pictures():
            files.picture(name, picture)
        files.text("transcript.srt", self.as_subtitles("srt"))
        files.json("minutes.json", self.as_dict())
        files.document("minutes", self._blocks(), self._language_code)
        return files.finish()

    def _pictures(self) -> list[tuple[str, Picture]]:
        named = [(name, getattr(self, name)) for name in FIGURES]
        return [(name, picture) for name, picture in named if picture is not None]

    @property
    def _language_code(self) -> str:
        said = " ".join(line.text for line in self.lines)
        return CODES.get(self.language or "") or written_language(f"{self.title} {said}")

    def _blocks(self) -> list[Block]:
        told = partial(word, language=self._language_code)
        tasks = tuple((action.task, action.owner, _day(action.due, action.due_date)) for action in self.actions)
        dates = tuple((_day(entry.day, entry.on), entry.event) for entry in self.dates)
        said = tuple((clock_time(line.start_s), line.speaker, line.text) for line in self.lines)
        about = [
            (told("Date"), self.day.isoformat() if self.day else ""),
            (told("Duration"), clock_time(self.duration_s) if self.duration_s else ""),
            (told("Language"), autonym(CODES[self.language]) if self.language in CODES else ""),
            (told("Speakers"), ", ".join(self.speakers)),
        ]
        figures = [
            Figure(picture, f"{name}.{picture.format}", told(FIGURES[name])) for name, picture in self._pictures()
        ]
        parts: list[tuple[str, list[Block]]] = [
            ("Decisions", [Items(self.decisions)] if self.decisions else []),
            ("Actions", [Table((told("Task"), told("Owner"), told("Due")), tasks)] if tasks else []),
            ("Dates", [Table((told("Day"), told("Event")), dates)] if dates else []),
            ("Charts", list(figures)),
            ("Transcript", [Table((told("Time"), told("Speaker"), told("Said")), said)] if said else []),
            ("Not transcribed", [Items(self.untranscribed)] if self.untranscribed else []),
        ]
        found = [block for name, blocks in parts if blocks for block in (Heading(told(name)), *blocks)]
        facts = Facts(tuple(fact for fact in about if fact[1]))
        return [Heading(self.title or told("Minutes"), 1), facts, *found]


def meeting_minutes(
    recordings: AudioInput | Sequence[AudioInput],
    *,
    speakers: Sequence[str] | None = None,
    day: date | None = None,
    language: str | None = None,
    context: str | None = None,
    illustration: str | None = None,
    illustrate: bool | None = None,
    max_audio_s: float | None = None,
    seed: int | None = None,
    deadline_s: float | None = None,
) -> ChainJob[MeetingMinutes]:
    """Write the minutes of a meeting: a run to iterate over, whose `result()` is `MeetingMinutes`.

        client.chains.meeting_minutes(["anna.wav", "ben.wav"], speakers=["Anna", "Ben"]).result().save("minutes/")

    Each of `recordings`, which all begin at the same moment, is one speaker's; of a single recording with several
    channels, each channel is. `speakers`: their names, as many as there are recordings, or as channels in all of them;
    one name for one stereo file makes its channels one. `day`: the meeting's, from which "Friday" is counted; None:
    today. `language` None: detected. `context`: words to expect. `illustration`: what to draw besides the charts; None:
    the title. `illustrate` False: nothing. `max_audio_s`: recordings up to this long are taken; None: up to the
    server's usual limit. `deadline_s`: time limit of the chain in seconds; None: the server's default. Events
    tell each stage's results as soon as they are there.
    """
    with audio_extra("finds the speakers' channels"):
        from qwen_client.chains.tracks import speaker_tracks  # FFmpeg loads with it

    return chain_job(
        "meeting_minutes",
        {"AUDIO": speaker_tracks(recordings, speakers)},
        _read,
        deadline_s=deadline_s,
        speakers=None if speakers is None else text_items(speakers, "speakers"),
        date=None if day is None else day.isoformat(),
        language=language,
        context=context,
        illustration=illustration,
        illustrate=illustrate,
        max_audio_s=max_audio_s,
        seed=seed,
    )


def _read(made: Made) -> MeetingMinutes:
    transcript = made.value("transcript", default={})
    minutes = made.value("minutes", default={})
    day = made.value("day")
    return MeetingMinutes(
        title=minutes.get("title", ""),
        day=None if day is None else date.fromisoformat(day),
        language=transcript.get("language"),
        duration_s=transcript.get("duration_s", 0.0),
        speakers=tuple(transcript.get("speakers", ())),
        decisions=tuple(entry["text"] for entry in minutes.get("decisions", ())),
        actions=tuple(
            Action(entry["task"], entry["owner"], entry["due"], _date(entry["due_date"]))
            for entry in minutes.get("actions", ())
        ),
        dates=tuple(
            DatedEvent(entry["event"], entry["date"], _date(entry["on"])) for entry in minutes.get("dates", ())
        ),
        lines=tuple(
            SpokenLine(line["start_s"], line["end_s"], line["speaker"], line["text"])
            for line in transcript.get("lines", ())
        ),
        cues=tuple(
            Cue(cue["start_s"], cue["end_s"], f"{cue['speaker']}: {cue['text']}") for cue in transcript.get("cues", ())
        ),
        untranscribed=tuple(
            f"{clock_time(lost['start_s'])} to {clock_time(lost['end_s'])}, {lost['speaker']}: {lost['message']}"
            for lost in transcript.get("failed", ())
        ),
        **{name: made.picture(name) for name in FIGURES},
        shortfalls=made.shortfalls,
        seed=made.seed,
    )


def _date(iso: str | None) -> date | None:
    return None if iso is None else date.fromisoformat(iso)


def _day(words: str, on: date | None) -> str:
    return words if on is None else f"{words} ({on.isoformat()})"
