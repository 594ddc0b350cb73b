"""Documents as DOCX, by python-docx."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from qwen_client.documents.blocks import Block, Figure, Heading, Items, Paragraph, Sound, Table, property_text, require

if TYPE_CHECKING:
    from docx.document import Document

FIGURE_WIDTH_INCHES = 6.0
SMALL_FIGURE_WIDTH_INCHES = 3.0
SMALL_FIGURE_PIXELS = 600


def require_word() -> None:
    """Raise `InvalidRequest` where python-docx is missing."""
    require("python-docx", lambda: __import__("docx"))


def write_word(blocks: Sequence[Block], path: Path) -> None:
    """Write the document; its first heading is its title among the properties, too."""
    require_word()
    from docx import Document

    document = Document()
    document.core_properties.title = property_text(
        next((block.text for block in blocks if isinstance(block, Heading)), "")
    )
    for block in blocks:
        _add(document, block)
    document.save(str(path))


def _add(document: "Document", block: Block) -> None:
    match block:
        case Heading():
            document.add_heading(block.text, level=block.level - 1)
        case Paragraph():
            for line in filter(str.strip, block.text.splitlines()):
                document.add_paragraph(line)
        case Items():
            for text in block.texts:
                document.add_paragraph(text, style="List Bullet")
        case Table():
            _add_table(document, block)
        case Figure():
            _add_figure(document, block)
        case Sound():
            document.add_paragraph(f"{block.caption}: {block.file}")


def _add_table(document: "Document", table: Table) -> None:
    grid = document.add_table(rows=0, cols=len(table.header), style="Table Grid")
    for row in (table.header, *table.rows):
        for cell, text in zip(grid.add_row().cells, row, strict=True):
            cell.text = text
    for cell in grid.rows[0].cells:
        for run in cell.paragraphs[0].runs:
            run.bold = True


def _add_figure(document: "Document", figure: Figure) -> None:
    from docx.shared import Inches

    is_small = figure.picture.width < SMALL_FIGURE_PIXELS
    width = Inches(SMALL_FIGURE_WIDTH_INCHES if is_small else FIGURE_WIDTH_INCHES)
    document.add_picture(io.BytesIO(figure.picture.png), width=width)
    document.add_paragraph(figure.caption, style="Caption")
