"""Presentations as PPTX, by python-pptx: slides with notes, pictures and sound."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qwen_client.documents.blocks import clean, property_text, require
from qwen_client.pictures import Picture

if TYPE_CHECKING:
    from pptx.presentation import Presentation

TITLE_LAYOUT, TEXT_LAYOUT, TITLE_ONLY_LAYOUT = 0, 1, 5  # of python-pptx's own template
SLIDE_WIDTH_INCHES, SLIDE_HEIGHT_INCHES = 10.0, 7.5
FIGURE_TOP_INCHES, FIGURE_WIDTH_INCHES, FIGURE_HEIGHT_INCHES = 1.5, 9.0, 5.6
SOUND_INCHES = 0.6
WAV = "audio/x-wav"


@dataclass(frozen=True)
class Slide:
    """A title above `lines` or, instead of them, a `picture`.

    `notes` are for who presents; `sound` is a WAV file to be played.
    """

    title: str
    lines: tuple[str, ...] = ()
    notes: str = ""
    sound: Path | None = None
    picture: Picture | None = None

    def __post_init__(self) -> None:
        for name in ("title", "notes"):
            object.__setattr__(self, name, clean(getattr(self, name)))
        object.__setattr__(self, "lines", tuple(map(clean, self.lines)))


def require_slides() -> None:
    """Raise `InvalidRequest` where python-pptx is missing."""
    require("python-pptx", lambda: __import__("pptx"))


def write_slides(title: str, subtitle: str, slides: Sequence[Slide], path: Path) -> None:
    """Write a presentation: a slide with the title, then `slides`."""
    require_slides()
    from pptx import Presentation

    deck = Presentation()
    deck.core_properties.title = property_text(title)
    first = deck.slides.add_slide(deck.slide_layouts[TITLE_LAYOUT])
    first.shapes.title.text = clean(title)
    first.placeholders[1].text = clean(subtitle)
    for slide in slides:
        _add(deck, slide)
    deck.save(str(path))


def _add(deck: "Presentation", slide: Slide) -> None:
    layout = TEXT_LAYOUT if slide.picture is None else TITLE_ONLY_LAYOUT
    made = deck.slides.add_slide(deck.slide_layouts[layout])
    made.shapes.title.text = slide.title
    if slide.picture is None:
        made.placeholders[1].text_frame.text = "\n".join(slide.lines)
    else:
        _add_picture(made, slide.picture)
    if slide.notes:
        made.notes_slide.notes_text_frame.text = slide.notes
    if slide.sound is not None:
        _add_sound(made, slide.sound)


def _add_picture(made: Any, picture: Picture) -> None:
    """As large as fits below the title, in the middle."""
    from pptx.util import Inches

    shape = min(FIGURE_WIDTH_INCHES / picture.width, FIGURE_HEIGHT_INCHES / picture.height)
    width, height = picture.width * shape, picture.height * shape
    left = (SLIDE_WIDTH_INCHES - width) / 2
    made.shapes.add_picture(io.BytesIO(picture.png), *map(Inches, (left, FIGURE_TOP_INCHES, width, height)))


def _add_sound(made: Any, wav: Path) -> None:
    """A sign in the lower corner that plays `wav` when it is clicked.

    python-pptx adds films only: the elements are renamed to those of sound, as PowerPoint writes them.
    """
    from pptx.opc.constants import RELATIONSHIP_TYPE
    from pptx.oxml.ns import qn
    from pptx.util import Inches

    corner = (SLIDE_WIDTH_INCHES - SOUND_INCHES - 0.2, SLIDE_HEIGHT_INCHES - SOUND_INCHES - 0.2)
    film = made.shapes.add_movie(str(wav), *map(Inches, (*corner, SOUND_INCHES, SOUND_INCHES)), mime_type=WAV)
    link = film._element.nvPicPr.find(f".//{qn('a:videoFile')}")
    media = made.part.related_part(link.get(qn("r:link")))
    made.part.drop_rel(link.get(qn("r:link")))
    link.tag = qn("a:audioFile")
    link.set(qn("r:link"), made.part.relate_to(media, RELATIONSHIP_TYPE.AUDIO))
    for timed in made._element.iter(qn("p:video")):
        timed.tag = qn("p:audio")
