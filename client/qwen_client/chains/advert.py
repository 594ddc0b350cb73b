"""An advertisement in words, voices and pictures: `client.chains.product_ad`."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from qwen_client.audio import AudioInput
from qwen_client.chains.requests import ChainJob, chain_job
from qwen_client.chains.results import Made, SpokenText, spoken_caption
from qwen_client.chains.stories import Shot, read_shots, text_and_speech
from qwen_client.documents.blocks import Block, Figure, Heading, Paragraph, Sound
from qwen_client.documents.document import Document
from qwen_client.documents.folder import Folder
from qwen_client.documents.word import require_word
from qwen_client.documents.words import word
from qwen_client.image import Size, parse_size
from qwen_client.short_repr import ShortRepr
from qwen_client.shortfalls import Shortfall
from qwen_client.texts import text_items
from qwen_wire.theme import written_language


@dataclass(frozen=True, repr=False)
class AdVariant(ShortRepr):
    """One variant of the copy, and `readings` of its text, one per voice."""

    headline: str
    text: str
    readings: tuple[SpokenText, ...]


@dataclass(frozen=True, repr=False)
class ProductAd(Document, ShortRepr):
    """The description of the `product`, the copy made from it, and its scenes; `shortfalls` as of minutes."""

    product: str
    variants: tuple[AdVariant, ...]
    scenes: tuple[Shot, ...]
    shortfalls: tuple[Shortfall, ...] = ()
    seed: int | None = None

    def save(self, folder: str | os.PathLike[str]) -> list[Path]:
        """Write `ad.md` and `.docx`, the readings (WAV) and the pictures into a folder; returns the files.

        The Word document needs python-docx.
        """
        require_word()  # before anything is written
        files = Folder(folder)
        for number, variant in enumerate(self.variants, 1):
            for reading in variant.readings:
                reading.save(files.file(_sound_name(number, reading)))
        for number, scene in enumerate(self.scenes, 1):
            if scene.picture is not None:
                files.picture(f"scene-{number}", scene.picture)
        files.document("ad", self._blocks(), self._language_code)
        return files.finish()

    @property
    def _language_code(self) -> str:
        return written_language(self.product + "".join(variant.text for variant in self.variants))

    def _blocks(self) -> list[Block]:
        told = partial(word, language=self._language_code)
        blocks: list[Block] = [Heading(told("Advertisement"), 1), Paragraph(self.product)]
        for number, variant in enumerate(self.variants, 1):
            sounds = [
                Sound(_sound_name(number, reading), _read_by(reading, told("Read aloud")))
                for reading in variant.readings
            ]
            blocks += [Heading(variant.headline), Paragraph(variant.text), *sounds]
        figures = [
            Figure(scene.picture, f"scene-{number}.{scene.picture.format}", scene.prompt)
            for number, scene in enumerate(self.scenes, 1)
            if scene.picture is not None
        ]
        return [*blocks, Heading(told("Scenes")), *figures] if figures else blocks


def product_ad(
    product: str | None = None,
    *,
    audio: AudioInput | None = None,
    language: str | None = None,
    voices: Sequence[str] | None = None,
    style: str | None = None,
    size: Size | None = None,
    steps: int | None = None,
    seed: int | None = None,
    deadline_s: float | None = None,
) -> ChainJob[ProductAd]:
    """Advertise a product: a run to iterate over, whose `result()` is a `ProductAd`.

        client.chains.product_ad("The red ring is small.", voices=["ava", "dan"]).result().save("ad/")

    `audio`: the description of the product as speech, in place of the text or after it, in `language` (None: detected).
    Each of three variants is read by each of `voices` (None: the server's choice), with `seed`; the scenes have the
    seeds `seed`, `seed` + 1, … `style`, `size` and `steps` as for `image.generate`. `deadline_s`: the
    chain ends after so many seconds; None: the server's default.
    """
    return chain_job(
        "product_ad",
        text_and_speech(product, audio, "product"),
        _read,
        deadline_s=deadline_s,
        language=language,
        voices=None if voices is None else text_items(voices, "voices"),
        style=style,
        steps=steps,
        seed=seed,
        **parse_size(size),
    )


def _read(made: Made) -> ProductAd:
    variants = made.value("advert", "json", default={}).get("variants", ())
    readings = list(enumerate(made.value("readings", default=[])))
    spoken = [
        (reading["variant"], made.speech("speech", reading["text"], number, voice=reading["voice"]))
        for number, reading in readings
    ]
    return ProductAd(
        product=made.value("product", default=""),
        variants=tuple(
            AdVariant(variant["headline"], variant["text"], tuple(one for at, one in spoken if at == number and one))
            for number, variant in enumerate(variants)
        ),
        scenes=read_shots(made),
        shortfalls=made.shortfalls,
        seed=made.seed,
    )


def _sound_name(number: int, reading: SpokenText) -> str:
    return f"variant-{number}-{reading.voice}.wav" if reading.voice else f"variant-{number}.wav"


def _read_by(reading: SpokenText, read_aloud: str) -> str:
    return spoken_caption(f"{read_aloud} ({reading.voice})" if reading.voice else read_aloud, reading)
