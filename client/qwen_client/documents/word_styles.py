"""The page and the styles of Word documents: those of python-docx's own template are replaced."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from qwen_client.documents.office_theme import COLOURS, themed
from qwen_wire.theme import EAST_ASIAN_TAGS, TypeScale, font_of

if TYPE_CHECKING:
    from docx.document import Document

SCALE = TypeScale(10.5)  # points
PAGE_WIDTH_MM, PAGE_HEIGHT_MM, MARGIN_MM = 210, 297, 22  # A4
TEXT_WIDTH_POINTS = (PAGE_WIDTH_MM - 2 * MARGIN_MM) * 72 / 25.4
TABLE_STYLE, TABLE_SIZE, CELL_PADDING_POINTS = "Data Table", 9.5, 5.0
FACT_INDENT_POINTS = 72.0
NAMESPACE = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


def set_styles(document: "Document", language: str) -> None:
    """Give an empty document the page, fonts and styles of the design; `language`: the code of its text's."""
    from docx.oxml import parse_xml
    from docx.oxml.ns import qn

    root = document.styles.element
    for old in [*root.findall(qn("w:style")), root.find(qn("w:docDefaults"))]:
        root.remove(old)
    root.insert(0, parse_xml(_defaults(language)))
    for style in _styles():
        root.append(parse_xml(style))
    _set_page(document)
    _set_theme(document, language)
    _name_substitute(document, language)


def _set_page(document: "Document") -> None:
    from docx.shared import Mm

    section = document.sections[0]
    section.page_width, section.page_height = Mm(PAGE_WIDTH_MM), Mm(PAGE_HEIGHT_MM)
    section.left_margin = section.right_margin = section.top_margin = section.bottom_margin = Mm(MARGIN_MM)
    section.header_distance = section.footer_distance = Mm(MARGIN_MM / 2)
    section.different_first_page_header_footer = True  # it has the title itself


def _set_theme(document: "Document", language: str) -> None:
    """And drop what else shows the template's look: its picture, and its styles as Word 2010 reads them."""
    from docx.opc.constants import RELATIONSHIP_TYPE

    theme = document.part.part_related_by(RELATIONSHIP_TYPE.THEME)
    theme._blob = themed(theme.blob, language)
    for relations in (document.part.rels, document.part.package.rels):
        for identifier, relation in list(relations.items()):
            if relation.reltype.endswith(("/stylesWithEffects", "/thumbnail")):
                relations.pop(identifier)


def _name_substitute(document: "Document", language: str) -> None:
    """Say which fonts may stand in where the document's is not installed."""
    from docx.opc.constants import RELATIONSHIP_TYPE

    font = font_of(language)
    table = (
        f'<?xml version="1.0" encoding="UTF-8" standalone="yes"?><w:fonts {NAMESPACE}><w:font w:name="{font.family}">'
        f'<w:altName w:val="{font.substitute}"/><w:family w:val="swiss"/><w:pitch w:val="variable"/></w:font></w:fonts>'
    )
    document.part.part_related_by(RELATIONSHIP_TYPE.FONT_TABLE)._blob = table.encode()


def _defaults(language: str) -> str:
    """What every style builds on: a table's style outweighs it, as it would not outweigh "Normal"."""
    fonts = " ".join(f'w:{script}="{font_of(language).family}"' for script in ("ascii", "hAnsi", "eastAsia", "cs"))
    tag = EAST_ASIAN_TAGS.get(language)
    tags = f'w:val="en-US" w:eastAsia="{tag}"' if tag else f'w:val="{language}"'
    return (
        f"<w:docDefaults {NAMESPACE}><w:rPrDefault><w:rPr><w:rFonts {fonts}/>{_type(SCALE.body, COLOURS.text)}"
        f"<w:lang {tags}/></w:rPr></w:rPrDefault>"
        f"<w:pPrDefault><w:pPr>{_spacing(0, SCALE.gap)}</w:pPr></w:pPrDefault></w:docDefaults>"
    )


def _styles() -> Iterator[str]:
    gap, ink = SCALE.gap, COLOURS.palette[0]
    yield _style("paragraph", "Normal", default=True)
    yield _style("character", "Default Paragraph Font", default=True)
    yield _style("numbering", "No List", default=True)
    yield _style("table", "Normal Table", _cells(0), default=True)
    rule = f"<w:pBdr>{_border('bottom', 12, ink, space=6)}</w:pBdr>"
    yield _paragraph("Title", SCALE.display, bold=True, more=rule, after=2 * gap)
    for level, size, before in ((1, SCALE.heading, 3 * gap), (2, SCALE.body, 2 * gap), (3, SCALE.body, gap)):
        outline = f'<w:outlineLvl w:val="{level - 1}"/>'
        yield _paragraph(
            f"heading {level}", size, ink, bold=True, keep=True, before=before, after=gap, last=outline, next="Normal"
        )
    yield _paragraph("caption", SCALE.small, COLOURS.muted, after=2 * gap)
    yield _paragraph("List Bullet", after=gap / 2, more='<w:numPr><w:numId w:val="1"/></w:numPr>')
    yield _paragraph("header", SCALE.small, COLOURS.muted)
    yield _paragraph("footer", SCALE.small, COLOURS.muted, last='<w:jc w:val="right"/>')
    indent = f'<w:ind w:left="{20 * FACT_INDENT_POINTS:.0f}" w:hanging="{20 * FACT_INDENT_POINTS:.0f}"/>'
    tab = f'<w:tabs><w:tab w:val="left" w:pos="{20 * FACT_INDENT_POINTS:.0f}"/></w:tabs>'
    yield _paragraph("Facts", more=tab, after=gap / 2, last=indent)
    yield _style("character", "Fact Name", f"<w:rPr>{_type(SCALE.body, COLOURS.muted)}</w:rPr>")
    yield _paragraph("Sound", colour=COLOURS.muted, before=gap, after=gap)
    yield _paragraph("Figure", keep=True, before=gap, after=gap / 2)
    yield _table_style()


def _table_style() -> str:
    """As the matrix among the charts: bands, fine lines between the rows, a stronger one below the header."""
    fine, strong = _border("insideH", 4, COLOURS.grid), _border("bottom", 12, COLOURS.muted)
    head = (
        f'<w:tblStylePr w:type="firstRow"><w:rPr><w:b/><w:bCs/></w:rPr>'
        f"<w:tcPr><w:tcBorders>{strong}</w:tcBorders></w:tcPr></w:tblStylePr>"
    )
    shade = f'<w:shd w:val="clear" w:color="auto" w:fill="{_hex(COLOURS.band)}"/>'
    band = f'<w:tblStylePr w:type="band1Horz"><w:tcPr>{shade}</w:tcPr></w:tblStylePr>'
    borders = f"<w:tblBorders>{_border('bottom', 4, COLOURS.grid)}{fine}</w:tblBorders>"
    text = f"<w:pPr>{_spacing(3, 3)}</w:pPr><w:rPr>{_type(TABLE_SIZE)}</w:rPr>"
    bands = f'<w:tblStyleRowBandSize w:val="1"/>{borders}'
    return _style("table", TABLE_STYLE, f"{text}{_cells(CELL_PADDING_POINTS, bands)}{head}{band}")


def _paragraph(
    name: str,
    size: float = SCALE.body,
    colour: str = COLOURS.text,
    *,
    bold: bool = False,
    keep: bool = False,
    before: float = 0.0,
    after: float = 0.0,
    more: str = "",
    last: str = "",
    next: str | None = None,
) -> str:
    """`keep`: on the page of what follows. `more` and `last`: what stands before and after the spacing."""
    together = "<w:keepNext/><w:keepLines/>" if keep else ""
    follows = f'<w:next w:val="{next}"/>' if next else ""
    layout = f"<w:pPr>{together}{more}{_spacing(before, after)}{last}</w:pPr>"
    letters = f"<w:rPr>{'<w:b/><w:bCs/>' if bold else ''}{_type(size, colour)}</w:rPr>"
    return _style("paragraph", name, f'<w:basedOn w:val="Normal"/>{follows}<w:qFormat/>{layout}{letters}')


def _style(kind: str, name: str, content: str = "", *, default: bool = False) -> str:
    identifier = "".join(part[0].upper() + part[1:] for part in name.split())
    of_all = ' w:default="1"' if default else ""
    return (
        f'<w:style {NAMESPACE} w:type="{kind}"{of_all} w:styleId="{identifier}"><w:name w:val="{name}"/>'
        f"{content}</w:style>"
    )


def _cells(padding: float, more: str = "") -> str:
    sides = "".join(
        f'<w:{side} w:w="{20 * width:.0f}" w:type="dxa"/>'
        for side, width in (("top", 0), ("left", padding), ("bottom", 0), ("right", padding))
    )
    return f"<w:tblPr>{more}<w:tblCellMar>{sides}</w:tblCellMar></w:tblPr>"


def _type(size: float, colour: str | None = None) -> str:
    tint = f'<w:color w:val="{_hex(colour)}"/>' if colour else ""
    return f'{tint}<w:sz w:val="{2 * size:.0f}"/><w:szCs w:val="{2 * size:.0f}"/>'


def _spacing(before: float, after: float) -> str:
    return f'<w:spacing w:before="{20 * before:.0f}" w:after="{20 * after:.0f}" w:line="240" w:lineRule="auto"/>'


def _border(side: str, eighths: int, colour: str, space: int = 0) -> str:
    """`eighths` of a point wide."""
    return f'<w:{side} w:val="single" w:sz="{eighths}" w:space="{space}" w:color="{_hex(colour)}"/>'


def _hex(colour: str) -> str:
    return colour.removeprefix("#").upper()
