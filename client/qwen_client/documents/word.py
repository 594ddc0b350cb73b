"""Documents as DOCX, by python-docx."""

import io
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from qwen_client.documents.blocks import (
    AUTHOR,
    Block,
    Facts,
    Figure,
    Heading,
    Items,
    Paragraph,
    Sound,
    Table,
    numbered,
    property_text,
    require,
    title_of,
)
from qwen_client.documents.word_styles import TEXT_WIDTH_POINTS, set_styles
from qwen_client.documents.word_tables import add_table
from qwen_client.documents.words import word

if TYPE_CHECKING:
    from docx.document import Document
    from docx.text.paragraph import Paragraph as WordParagraph

MAX_FIGURE_HEIGHT_POINTS = 560.0
MIN_PIXELS_A_POINT = 0.35  # smaller pictures would show their pixels


def require_word() -> None:
    """Raise `InvalidRequest` where python-docx is missing."""
    require("python-docx", lambda: __import__("docx"))


def write_word(blocks: Sequence[Block], path: Path, language: str) -> None:
    """Write the document; its first heading is its title among the properties and above its pages, too."""
    require_word()
    from docx import Document

    document, title = Document(), property_text(title_of(blocks))
    set_styles(document, language)
    _set_properties(document, title, language)
    _add_running_texts(document, title)
    figure = word("Figure", language)
    for block, number in numbered(blocks):
        _add(document, block, f"{figure} ", number)
    document.save(str(path))


def _set_properties(document: "Document", title: str, language: str) -> None:
    properties = document.core_properties
    properties.title, properties.author, properties.language, properties.comments = title, AUTHOR, language, ""
    properties.created = properties.modified = datetime.now(timezone.utc)


def _add_running_texts(document: "Document", title: str) -> None:
    """The title above all pages but the first, "1 / 5" below all of them."""
    section = document.sections[0]
    section.header.paragraphs[0].text = title
    for footer in (section.footer, section.first_page_footer):
        paragraph = footer.paragraphs[0]
        paragraph.style = "Footer"
        _add_field(paragraph, "PAGE", "1")
        paragraph.add_run(" / ")
        _add_field(paragraph, "NUMPAGES", "1")


def _add_field(paragraph: "WordParagraph", instruction: str, shown: str) -> None:
    """What the program computes; `shown`: what stands there until then."""
    from docx.oxml import OxmlElement
    from docx.oxml.ns import qn

    def mark(kind: str) -> None:
        paragraph.add_run()._r.append(one := OxmlElement("w:fldChar"))
        one.set(qn("w:fldCharType"), kind)

    mark("begin")
    paragraph.add_run()._r.append(code := OxmlElement("w:instrText"))
    code.text = instruction
    mark("separate")
    paragraph.add_run(shown)
    mark("end")


def _add(document: "Document", block: Block, label: str, number: int) -> None:
    """`label` and `number`: of a figure."""
    match block:
        case Heading():
            document.add_heading(block.text, level=block.level - 1)
        case Facts():
            for name, value in block.pairs:
                paragraph = document.add_paragraph(style="Facts")
                paragraph.add_run(name, style="Fact Name")
                paragraph.add_run(f"\t{value}")
        case Paragraph():
            for line in filter(str.strip, block.text.splitlines()):
                document.add_paragraph(line)
        case Items():
            for text in block.texts:
                document.add_paragraph(text, style="List Bullet")
        case Table():
            add_table(document, block)
        case Figure():
            _add_figure(document, block, label, number)
        case Sound():
            document.add_paragraph(f"{block.caption} ({block.file})", style="Sound")


def _add_figure(document: "Document", figure: Figure, label: str, number: int) -> None:
    """As wide as the text, unless it would be too high or coarse; its caption is its alternative text, too."""
    from docx.shared import Pt

    picture = figure.picture
    widest = min(TEXT_WIDTH_POINTS, MAX_FIGURE_HEIGHT_POINTS * picture.width / picture.height)
    width = min(widest, picture.width / MIN_PIXELS_A_POINT)
    run = document.add_paragraph(style="Figure").add_run()
    drawn = run.add_picture(io.BytesIO(picture.png), width=Pt(width))
    drawn._inline.docPr.set("descr", figure.caption)
    for side in ("distT", "distB", "distL", "distR"):
        drawn._inline.set(side, "0")  # LibreOffice leaves a margin otherwise
    caption = document.add_paragraph(label, style="Caption")
    _add_field(caption, "SEQ Figure \\* ARABIC", str(number))
    caption.add_run(f". {figure.caption}")
