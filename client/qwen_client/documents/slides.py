"""Presentations as PPTX, by python-pptx: slides with notes, pictures and sound."""

import io
import itertools
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qwen_client.documents import slide_master as design
from qwen_client.documents.blocks import AUTHOR, clean, property_text, require
from qwen_client.documents.slide_master import SCALE, Region, set_list_style
from qwen_client.documents.slide_sound import SlideSound, add_sound
from qwen_client.documents.text_fit import TextFrame
from qwen_client.documents.words import word
from qwen_client.pictures import Picture
from qwen_wire.theme import EAST_ASIAN_TAGS, LINE_HEIGHT

if TYPE_CHECKING:
    from pptx.presentation import Presentation

COVER_SIZES = (SCALE.display, 34.0, 28.0, 24.0)
TITLE_SIZES = (SCALE.title, 26.0, 22.0, 18.0)
TEXT_SIZES, DIVIDED_TEXT_SIZE = (36.0, 32.0, 28.0, 24.0, SCALE.body), 24.0
TERM_SIZES, DIVIDED_TERM_SIZE = (24.0, SCALE.body, 18.0), SCALE.body
HANGING_POINTS = 18.0  # as the master's bullets


@dataclass(frozen=True)
class Slide:
    """A title above `text` with its `terms` beside it, or above a `picture`, which `picture_text` describes.

    `notes` are for who presents. What does not fit goes on on further slides; a picture has neither text nor terms.
    """

    title: str
    text: str = ""
    terms: tuple[str, ...] = ()
    notes: str = ""
    sound: SlideSound | None = None
    picture: Picture | None = None
    picture_text: str = ""

    def __post_init__(self) -> None:
        for name in ("title", "text", "notes", "picture_text"):
            object.__setattr__(self, name, clean(getattr(self, name)))
        object.__setattr__(self, "terms", tuple(map(clean, self.terms)))


@dataclass(frozen=True)
class Deck:
    """A presentation: a cover, then `slides`; `language`: the code of its text's."""

    title: str
    subtitle: str
    language: str
    slides: tuple[Slide, ...]


def require_slides() -> None:
    """Raise `InvalidRequest` where python-pptx is missing."""
    require("python-pptx", lambda: __import__("pptx"))


def write_slides(deck: Deck, path: Path) -> None:
    """Write the presentation."""
    require_slides()
    from pptx import Presentation

    written = Presentation()
    design.set_master(written, deck.language)
    _set_properties(written, deck)
    cover = written.slides.add_slide(written.slide_layouts[design.COVER])
    _set_line(cover.shapes.title, clean(deck.title), design.COVER_TITLE, COVER_SIZES)
    _set_line(cover.placeholders[1], clean(deck.subtitle), design.COVER_SUBTITLE, (SCALE.body,), bold=False)
    for slide in deck.slides:
        for made in _add(written, slide, word("Key terms", deck.language)):
            _add_footer(made, clean(deck.title))
    for made in written.slides:
        _set_language(made, deck.language)
    written.save(str(path))


def _set_properties(written: "Presentation", deck: Deck) -> None:
    properties = written.core_properties
    properties.title, properties.author, properties.language = property_text(deck.title), AUTHOR, deck.language
    properties.created = properties.modified = datetime.now(timezone.utc)


def _add(written: "Presentation", slide: Slide, terms_name: str) -> Iterator[Any]:
    """The slide, or several where one does not hold it; notes and sound are the first one's."""
    paragraphs = [line for line in slide.text.splitlines() if line.strip()]
    text_frame = _text_frame(design.TEXT if slide.terms else design.WIDE_TEXT)
    text_size, texts = text_frame.divided(paragraphs, TEXT_SIZES, DIVIDED_TEXT_SIZE)
    term_size, terms = _terms_frame().divided(slide.terms, TERM_SIZES, DIVIDED_TERM_SIZE)
    count = max(len(texts), len(terms))
    for number, (text, listed) in enumerate(itertools.zip_longest(texts, terms, fillvalue=list[str]()), 1):
        layout = design.PICTURE_ONLY if slide.picture else design.TEXT_AND_TERMS if listed else design.TEXT_ONLY
        made = written.slides.add_slide(written.slide_layouts[layout])
        title = f"{slide.title} ({number}/{count})" if count > 1 else slide.title
        _set_line(made.shapes.title, title, design.TITLE, TITLE_SIZES)
        if slide.picture is not None:
            _add_picture(made, slide.picture, slide.picture_text or slide.title)
        else:
            _set_text(made.placeholders[1], text, text_size)
        if listed:
            _set_terms(made.placeholders[2], terms_name, listed, term_size)
        if number == 1 and slide.notes:
            made.notes_slide.notes_text_frame.text = slide.notes
        if number == 1 and slide.sound is not None:
            add_sound(made, slide.sound)
        yield made


def _text_frame(region: Region) -> TextFrame:
    return TextFrame(region.text_width_points, region.text_height_points, SCALE.gap)


def _terms_frame() -> TextFrame:
    """Below the name of the list."""
    height = design.TERMS.text_height_points - _name_points()
    return TextFrame(design.TERMS.text_width_points, height, SCALE.gap, HANGING_POINTS)


def _name_points() -> float:
    return LINE_HEIGHT * SCALE.small + SCALE.gap


def _set_line(shape: Any, text: str, region: Region, sizes: Sequence[float], *, bold: bool = True) -> None:
    """A title, smaller where it is long, and cut where it is longer than that."""
    frame = TextFrame(region.text_width_points, region.text_height_points, bold=bold)
    size = frame.size_for([text], sizes)
    shape.text_frame.text = frame.cut(" ".join(text.split()), size)
    _set_size(shape, size, 0)


def _set_text(shape: Any, paragraphs: Sequence[str], size: float) -> None:
    if not paragraphs:
        shape._element.getparent().remove(shape._element)
        return
    shape.text_frame.text = "\n".join(paragraphs)
    _set_size(shape, size, SCALE.gap)


def _set_size(shape: Any, size: float, before: float) -> None:
    style = design.spacing(size, before) + f'<a:defRPr sz="{100 * size:.0f}"/>'
    set_list_style(shape, f"<a:lvl1pPr>{style}</a:lvl1pPr>")


def _set_terms(shape: Any, name: str, terms: Sequence[str], size: float) -> None:
    frame = shape.text_frame
    frame.text = "\n".join((name, *terms))
    for paragraph in frame.paragraphs[1:]:
        paragraph.level = 1
    head = design.spacing(SCALE.small, 0) + design.letters(SCALE.small, bold=True, colour="tx2")
    item = design.spacing(size, SCALE.gap) + f'<a:defRPr sz="{100 * size:.0f}"/>'
    set_list_style(shape, f"<a:lvl1pPr>{head}</a:lvl1pPr><a:lvl2pPr>{item}</a:lvl2pPr>")


def _add_picture(made: Any, picture: Picture, text: str) -> None:
    """As large as fits below the title, in the middle."""
    from pptx.util import Inches

    region = design.PICTURE
    scale = min(region.width / picture.width, region.height / picture.height)
    width, height = picture.width * scale, picture.height * scale
    left, top = region.left + (region.width - width) / 2, region.top + (region.height - height) / 2
    shown = made.shapes.add_picture(io.BytesIO(picture.png), *map(Inches, (left, top, width, height)))
    shown._element.nvPicPr.cNvPr.set("descr", text)


def _add_footer(made: Any, title: str) -> None:
    """The title of all and the number of the slide, at the places that the master has for them."""
    from pptx.enum.shapes import PP_PLACEHOLDER

    for placeholder in made.slide_layout.placeholders:
        kind = placeholder.placeholder_format.type
        if kind in (PP_PLACEHOLDER.FOOTER, PP_PLACEHOLDER.SLIDE_NUMBER):
            copy = deepcopy(placeholder._element)
            copy.nvSpPr.cNvPr.set("id", str(made.shapes._next_shape_id))
            made.shapes._spTree.append(copy)
        if kind == PP_PLACEHOLDER.FOOTER:
            frame = TextFrame(design.FOOTER.text_width_points, design.FOOTER.text_height_points)
            footer = made.shapes[-1]
            footer.text_frame.text = frame.cut(title, design.FOOTER_SIZE)
            set_list_style(footer, design.footer_style("l"))  # LibreOffice reads that of the master for numbers only


def _set_language(made: Any, language: str) -> None:
    """Of every run, by which programs choose fonts and check spelling."""
    from pptx.oxml.ns import qn

    for run in made._element.iter(qn("a:r")):
        run.get_or_add_rPr()
    for properties in made._element.iter(qn("a:rPr"), qn("a:endParaRPr")):
        properties.set("lang", EAST_ASIAN_TAGS.get(language, language))
