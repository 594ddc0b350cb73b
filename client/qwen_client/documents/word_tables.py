"""Tables of Word documents, whose columns are as wide as their content asks for."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from qwen_client.documents.blocks import Table
from qwen_client.documents.text_width import longest_unit_em, width_em
from qwen_client.documents.word_styles import CELL_PADDING_POINTS, TABLE_SIZE, TABLE_STYLE, TEXT_WIDTH_POINTS

if TYPE_CHECKING:
    from docx.document import Document

BOLD = 1.1  # times the width; the header's


def add_table(document: "Document", table: Table) -> None:
    """A row is never divided between pages, and the header stands on each of them."""
    from docx.oxml import OxmlElement
    from docx.shared import Pt

    grid = document.add_table(rows=0, cols=len(table.header), style=TABLE_STYLE)
    widths = column_widths(table, TEXT_WIDTH_POINTS + 2 * CELL_PADDING_POINTS)  # its texts stand below the others
    for column, width in zip(grid.columns, widths, strict=True):
        column.width = Pt(width)
    for texts in (table.header, *table.rows):
        row = grid.add_row()
        row._tr.get_or_add_trPr().append(OxmlElement("w:cantSplit"))
        for cell, text, width in zip(row.cells, texts, widths, strict=True):
            cell.text, cell.width = text, Pt(width)
    grid.rows[0]._tr.get_or_add_trPr().append(OxmlElement("w:tblHeader"))


def column_widths(table: Table, room: float) -> list[float]:
    """Points, `room` together: what is short stays on one line, what is long shares the rest."""
    columns = list(zip(table.header, *table.rows, strict=True))
    natural, least = ([_points(column, measure) for column in columns] for measure in (width_em, longest_unit_em))
    widths = [min(width, room / len(columns)) for width in least]
    extra = room - sum(widths)
    lacking = sorted(range(len(columns)), key=lambda number: natural[number] - widths[number])
    for left, number in zip(range(len(columns), 0, -1), lacking, strict=True):
        granted = min(natural[number] - widths[number], extra / left)
        widths[number] += granted
        extra -= granted
    return [room * width / sum(widths) for width in widths]


def _points(column: Sequence[str], measure: Callable[[str], float]) -> float:
    head, *cells = map(measure, column)
    return TABLE_SIZE * max([BOLD * head, *cells]) + 2 * CELL_PADDING_POINTS + 2
