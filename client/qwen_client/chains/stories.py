"""A story in pictures: `client.chains.storyboard`."""

import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from qwen_client.audio import AudioInput, audio_bytes
from qwen_client.chains.requests import ChainJob, chain_job
from qwen_client.chains.results import Made
from qwen_client.documents.blocks import Block, Figure, Heading, Paragraph
from qwen_client.documents.document import Document
from qwen_client.documents.folder import Folder
from qwen_client.documents.word import require_word
from qwen_client.documents.words import word
from qwen_client.image import Size, parse_size
from qwen_client.messages import Inputs
from qwen_client.pictures import Picture
from qwen_client.short_repr import ShortRepr
from qwen_client.shortfalls import Shortfall
from qwen_client.texts import text_bytes
from qwen_wire.errors import InvalidRequest
from qwen_wire.theme import written_language


@dataclass(frozen=True, repr=False)
class Shot(ShortRepr):
    """One picture of a story; `picture` is None where it was not drawn."""

    prompt: str
    seed: int
    picture: Picture | None


@dataclass(frozen=True, repr=False)
class Storyboard(Document, ShortRepr):
    """The `idea` as written or transcribed, its story, and the pictures; `shortfalls` as of minutes."""

    idea: str
    draft: str
    shots: tuple[Shot, ...]
    shortfalls: tuple[Shortfall, ...] = ()
    seed: int | None = None

    @property
    def pictures(self) -> tuple[Picture, ...]:
        """Those that were drawn, for example for `contact_sheet`."""
        return tuple(shot.picture for shot in self.shots if shot.picture is not None)

    def save(self, folder: str | os.PathLike[str]) -> list[Path]:
        """Write `storyboard.md` and `.docx` and the pictures into a folder; returns the files.

        The Word document needs python-docx.
        """
        require_word()  # before anything is written
        files = Folder(folder)
        for number, shot in enumerate(self.shots, 1):
            if shot.picture is not None:
                files.picture(f"picture-{number}", shot.picture)
        files.document("storyboard", self._blocks(), self._language_code)
        return files.finish()

    @property
    def _language_code(self) -> str:
        return written_language(self.idea + self.draft)

    def _blocks(self) -> list[Block]:
        told = partial(word, language=self._language_code)
        figures = [
            Figure(shot.picture, f"picture-{number}.{shot.picture.format}", shot.prompt)
            for number, shot in enumerate(self.shots, 1)
            if shot.picture is not None
        ]
        return [
            Heading(told("Storyboard"), 1), Heading(told("Idea")), Paragraph(self.idea), Heading(told("Story")),
            Paragraph(self.draft), Heading(told("Pictures")), *figures,
        ]  # fmt: skip


def storyboard(
    idea: str | None = None,
    *,
    audio: AudioInput | None = None,
    language: str | None = None,
    style: str | None = None,
    size: Size | None = None,
    steps: int | None = None,
    seed: int | None = None,
    deadline_s: float | None = None,
) -> ChainJob[Storyboard]:
    """Make a story with three to five pictures of an idea: a run to iterate over, whose `result()` is a `Storyboard`.

        client.chains.storyboard("A red circle meets a green star.").result().save("board/")

    `audio`: the idea as speech, in place of the text or after it, in `language` (None: detected). `style`, `size` and
    `steps` of each picture as for `image.generate`; the pictures have the seeds `seed`, `seed` + 1, … Each picture is
    reported as soon as it is ready. `deadline_s`: time limit of the chain in seconds; None: the server's default.
    """
    return chain_job(
        "storyboard",
        text_and_speech(idea, audio, "idea"),
        _read,
        deadline_s=deadline_s,
        language=language,
        style=style,
        steps=steps,
        seed=seed,
        **parse_size(size),
    )


def text_and_speech(text: str | None, audio: AudioInput | None, name: str) -> Inputs:
    """The tensors of a chain that reads or listens.

    Raises:
        InvalidRequest: there is neither.
    """
    if text is None and audio is None:
        raise InvalidRequest(f"there is no {name}: give it as text, or as speech with audio=")
    tensors: Inputs = {} if text is None else {"TEXT": text_bytes(text, name)}
    return tensors if audio is None else {**tensors, "AUDIO": audio_bytes(audio)}


def read_shots(made: Made) -> tuple[Shot, ...]:
    """What was to be drawn, as far as it is known, and what of it was."""
    shots = enumerate(made.items("shots"))
    return tuple(Shot(shot["prompt"], shot["seed"], made.picture("pictures", number)) for number, shot in shots)


def _read(made: Made) -> Storyboard:
    return Storyboard(
        idea=made.value("idea", default=""),
        draft=made.value("story", "json", default={}).get("draft", ""),
        shots=read_shots(made),
        shortfalls=made.shortfalls,
        seed=made.seed,
    )
