"""A lesson in several languages, with slides and narration: `client.chains.courseware`."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from qwen_client.audio import AudioInput
from qwen_client.chains.requests import ChainJob, chain_job
from qwen_client.chains.results import Made, SpokenText, spoken_caption
from qwen_client.chains.stories import text_and_speech
from qwen_client.documents.blocks import Block, Facts, Figure, Heading, Items, Paragraph, Sound
from qwen_client.documents.document import Document
from qwen_client.documents.folder import Folder
from qwen_client.documents.slide_sound import SlideSound
from qwen_client.documents.slides import Deck, Slide, require_slides, write_slides
from qwen_client.documents.word import require_word
from qwen_client.documents.words import word
from qwen_client.pictures import Picture
from qwen_client.short_repr import ShortRepr
from qwen_client.shortfalls import Shortfall
from qwen_client.texts import text_items
from qwen_wire.languages import autonym
from qwen_wire.subtitles import subtitles
from qwen_wire.transcripts import Cue


@dataclass(frozen=True, repr=False)
class LessonSlide(ShortRepr):
    """One step of a lesson; `narration` is None where its language has no voice, or speaking failed."""

    title: str
    text: str
    key_terms: tuple[str, ...]
    narration: SpokenText | None


@dataclass(frozen=True, repr=False)
class Lesson(Document, ShortRepr):
    """The lesson in one language (ISO code), and how its key terms hang together: (from, to, label) and a picture."""

    language: str
    title: str
    slides: tuple[LessonSlide, ...]
    links: tuple[tuple[str, str, str], ...]
    concepts: Picture | None

    def save(self, files: Folder) -> None:
        """Write `lesson-LANGUAGE.md`, `.docx` and `.pptx`, the narration and the picture."""
        for number, slide in enumerate(self.slides, 1):
            if slide.narration is not None:
                slide.narration.save(files.file(self._sound_name(number)))
        if self.concepts is not None:
            files.picture(f"concepts-{self.language}", self.concepts)
        name = f"lesson-{self.language}"
        files.document(name, self._blocks(), self.language)
        deck = Deck(self.title, autonym(self.language), self.language, tuple(self._presented(files.path)))
        write_slides(deck, files.file(f"{name}.pptx"))

    @property
    def _language_code(self) -> str:
        return self.language

    def _sound_name(self, number: int) -> str:
        return f"narration-{self.language}-{number}.wav"

    def _presented(self, folder: Path) -> list[Slide]:
        shown = [
            Slide(slide.title, slide.text, slide.key_terms, notes=slide.text, sound=self._sound(number, slide, folder))
            for number, slide in enumerate(self.slides, 1)
        ]
        graph = Slide(word("Concepts", self.language), picture=self.concepts, picture_text=self._graph_text())
        return shown if self.concepts is None else [*shown, graph]

    def _sound(self, number: int, slide: LessonSlide, folder: Path) -> SlideSound | None:
        if slide.narration is None:
            return None
        return SlideSound(folder / self._sound_name(number), self._narration(slide.narration))

    def _narration(self, spoken: SpokenText) -> str:
        return spoken_caption(word("Narration", self.language), spoken)

    def _graph_text(self) -> str:
        """The graph for those who cannot see it."""
        links = (f"{start} → {end}" + (f" ({label})" if label else "") for start, end, label in self.links)
        return f"{self.title}: {'; '.join(links)}"

    def _blocks(self) -> list[Block]:
        told = partial(word, language=self.language)
        blocks: list[Block] = [Heading(self.title, 1), Facts(((told("Language"), autonym(self.language)),))]
        for number, slide in enumerate(self.slides, 1):
            blocks += [Heading(slide.title), Paragraph(slide.text)]
            if slide.key_terms:
                blocks += [Heading(told("Key terms"), 3), Items(slide.key_terms)]
            if slide.narration is not None:
                blocks.append(Sound(self._sound_name(number), self._narration(slide.narration)))
        if self.concepts is not None:
            file = f"concepts-{self.language}.{self.concepts.format}"
            blocks += [Heading(told("Concepts")), Figure(self.concepts, file, self.title)]
        return blocks


@dataclass(frozen=True, repr=False)
class Courseware(ShortRepr):
    """The lesson by language, the first one being the one it was given in.

    `silent`: the languages in which nothing is spoken, since no voice for them was given. `cues`: subtitles of the
    lecture, where it came as speech. `shortfalls` as of minutes.
    """

    source: str
    lessons: Mapping[str, Lesson]
    silent: tuple[str, ...]
    cues: tuple[Cue, ...]
    shortfalls: tuple[Shortfall, ...] = ()
    seed: int | None = None

    def _repr_html_(self) -> str:
        return "<hr>".join(lesson._repr_html_() for lesson in self.lessons.values())

    def save(self, folder: str | os.PathLike[str]) -> list[Path]:
        """Write each language's presentation, documents, narration and concept graph into a folder; returns the files.

        The Word and PowerPoint documents need python-docx and python-pptx.
        """
        require_word()
        require_slides()
        files = Folder(folder)
        for lesson in self.lessons.values():
            lesson.save(files)
        if self.cues:
            files.text("lecture.srt", subtitles(self.cues, "srt"))
        return files.finish()


def courseware(
    text: str | None = None,
    *,
    audio: AudioInput | None = None,
    language: str | None = None,
    languages: Sequence[str] | None = None,
    voices: Mapping[str, str | None] | None = None,
    max_audio_s: float | None = None,
    seed: int | None = None,
    deadline_s: float | None = None,
) -> ChainJob[Courseware]:
    """Make a lesson of a lecture: a run to iterate over, whose `result()` is `Courseware`.

        client.chains.courseware("Good morning. The meeting ...", languages=["zh", "ja"]).result().save("lesson/")

    `audio`: the lecture as speech, in place of the text or after it. `language` of the lecture; None:
    as recognised, English for text. `languages`: those to have it in besides (None: zh, en and ja).
    `voices`: by language, who narrates in it, {"en": "ava", "zh": None} (None there: the server's choice); None: as the
    server's profile says. Languages without a voice have no narration. `max_audio_s` as for `asr.transcribe`.
    `deadline_s`: time limit of the chain in seconds; None: the server's default.
    """
    return chain_job(
        "courseware",
        text_and_speech(text, audio, "lecture"),
        _read,
        deadline_s=deadline_s,
        language=language,
        languages=None if languages is None else text_items(languages, "languages"),
        voices=None if voices is None else dict(voices),
        max_audio_s=max_audio_s,
        seed=seed,
    )


def _read(made: Made) -> Courseware:
    lessons: dict[str, Any] = made.value("lessons", default={})
    narration = made.value("narration", default={"scripts": [], "silent": []})
    scripts = list(enumerate(narration["scripts"]))
    spoken = {
        (script["language"], script["slide"]): made.speech(
            "speech", script["text"], number, language=script["language"], voice=script["voice"]
        )
        for number, script in scripts
    }
    cues = made.value("heard", "RESULT", 0, default={}).get("cues", ())
    return Courseware(
        source=made.value("source", default=""),
        lessons={
            code: _lesson(code, lesson, spoken, made.picture("concepts", number))
            for number, (code, lesson) in enumerate(lessons.items())
        },
        silent=tuple(narration["silent"]),
        cues=tuple(Cue(cue["start_s"], cue["end_s"], cue["text"]) for cue in cues),
        shortfalls=(*made.shortfalls, *map(_silence, narration["silent"])),
        seed=made.seed,
    )


def _silence(code: str) -> Shortfall:
    return Shortfall("skipped", f"there is none in {code}: no voice was given for it", "narration")


def _lesson(
    code: str, lesson: Mapping[str, Any], spoken: Mapping[tuple[str, int], SpokenText | None], concepts: Picture | None
) -> Lesson:
    return Lesson(
        language=code,
        title=lesson["title"],
        slides=tuple(
            LessonSlide(slide["title"], slide["text"], tuple(slide["key_terms"]), spoken.get((code, number)))
            for number, slide in enumerate(lesson["slides"])
        ),
        links=tuple((link["from"], link["to"], link["label"]) for link in lesson["links"]),
        concepts=concepts,
    )
