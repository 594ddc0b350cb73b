"""Pictures for those who cannot see them: `client.chains.describe_aloud`."""

import html
import os
from dataclasses import dataclass
from pathlib import Path

from qwen_client.chains.requests import ChainJob, chain_job
from qwen_client.chains.results import Made, SpokenText
from qwen_client.documents.folder import Folder
from qwen_client.pictures import PictureInput, picture_bytes
from qwen_client.short_repr import ShortRepr
from qwen_client.shortfalls import Shortfall
from qwen_client.texts import text_bytes


@dataclass(frozen=True, repr=False)
class SpokenDescription(ShortRepr):
    """A description as text and, unless that failed, as `speech`; `shortfalls` as of minutes."""

    text: str
    speech: SpokenText | None
    shortfalls: tuple[Shortfall, ...] = ()
    seed: int | None = None

    def save(self, folder: str | os.PathLike[str]) -> list[Path]:
        """Write `description.txt` and `description.wav` into a folder; returns the files."""
        files = Folder(folder)
        files.text("description.txt", self.text + "\n")
        if self.speech is not None:
            self.speech.save(files.file("description.wav"))
        return files.finish()

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(self.text)}</p>{self.speech._repr_html_() if self.speech else ''}"


def describe_aloud(
    picture: PictureInput,
    question: str = "",
    *,
    voice: str | None = None,
    language: str | None = None,
    seed: int | None = None,
    deadline_s: float | None = None,
) -> ChainJob[SpokenDescription]:
    """Describe a picture in speech: a run to iterate over, whose `result()` is a `SpokenDescription`.

        client.chains.describe_aloud("photo.png").result().speech.save("photo.wav")

    `question` about the picture; left out: describe it. `voice`, `language` (of the speech) and `seed` as for
    `tts.synthesize`. Chunks of its audio arrive as events before the result: 16-bit samples. `deadline_s`: time
    limit of the chain in seconds; None: the server's default.
    """
    tensors = {"IMAGE": picture_bytes(picture), "TEXT": text_bytes(question, "question")}
    return chain_job("describe_aloud", tensors, _read, deadline_s=deadline_s, voice=voice, language=language, seed=seed)


def _read(made: Made) -> SpokenDescription:
    text = made.value("description", "TEXT", default="")
    return SpokenDescription(text, made.speech("speech", text), made.shortfalls, made.seed)
