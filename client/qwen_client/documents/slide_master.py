"""The master of presentations: python-pptx's own template, 16:9 and with the design of qwen_wire.theme."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qwen_client.documents.office_theme import themed
from qwen_wire.theme import LINE_HEIGHT, TypeScale

if TYPE_CHECKING:
    from pptx.presentation import Presentation

SCALE = TypeScale(20.0)  # points
FOOTER_SIZE = 12.0
POINTS_PER_INCH = 72
COVER, TEXT_ONLY, TEXT_AND_TERMS, PICTURE_ONLY = range(4)
TEMPLATE_LAYOUTS = (0, 1, 3, 5)  # which of the template's they are made of
A = 'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"'
P = 'xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main"'


@dataclass(frozen=True)
class Region:
    """A part of a slide, and the margin around the text in it, in inches."""

    left: float
    top: float
    width: float
    height: float
    inset: float = 0.0

    @property
    def text_width_points(self) -> float:
        return (self.width - 2 * self.inset) * POINTS_PER_INCH

    @property
    def text_height_points(self) -> float:
        return (self.height - 2 * self.inset) * POINTS_PER_INCH

    def place(self, shape: Any) -> None:
        """Move the shape here."""
        from pptx.util import Inches

        shape.left, shape.top, shape.width, shape.height = map(Inches, (self.left, self.top, self.width, self.height))


WIDTH, HEIGHT, MARGIN = 13.333, 7.5, 0.6
CONTENT = WIDTH - 2 * MARGIN
TITLE = Region(MARGIN, 0.4, CONTENT, 0.85)
STRIPE = Region(0, 0.4, 0.16, 0.85)
WIDE_TEXT = Region(MARGIN, 1.5, CONTENT, 4.65)
TEXT = Region(MARGIN, 1.5, 7.9, 4.65)
TERMS = Region(MARGIN + 8.3, 1.5, CONTENT - 8.3, 4.65, inset=0.25)
SOUND = Region(MARGIN, 6.3, 0.5, 0.5)
SOUND_LABEL = Region(MARGIN + 0.65, 6.3, 6.0, 0.5)
PICTURE = Region(MARGIN, 1.45, CONTENT, 5.35)
FOOTER = Region(MARGIN, 6.95, 10.0, 0.35)
NUMBER = Region(WIDTH - MARGIN - 1.5, 6.95, 1.5, 0.35)
COVER_TITLE = Region(1.0, 1.5, WIDTH - 2.0, 2.6)
COVER_SUBTITLE = Region(1.0, 4.3, WIDTH - 2.0, 1.2)


def set_master(deck: "Presentation", language: str) -> None:
    """Give an empty presentation the design."""
    from pptx.util import Inches

    deck.slide_width, deck.slide_height = Inches(WIDTH), Inches(HEIGHT)
    for number, layout in reversed(list(enumerate(deck.slide_layouts))):
        if number not in TEMPLATE_LAYOUTS:
            deck.slide_layouts.remove(layout)
    _set_theme(deck, language)
    _set_text_styles(deck)
    _place_all(deck)


def _set_theme(deck: "Presentation", language: str) -> None:
    """And drop the picture of the template, which file managers would show as the presentation's."""
    from pptx.opc.constants import RELATIONSHIP_TYPE

    theme = deck.slide_master.part.part_related_by(RELATIONSHIP_TYPE.THEME)
    theme._blob = themed(theme.blob, language)
    package = deck.part.package
    for identifier, relation in list(package._rels.items()):
        if relation.reltype == RELATIONSHIP_TYPE.THUMBNAIL:
            package._rels.pop(identifier)


def _set_text_styles(deck: "Presentation") -> None:
    """Titles are bold; the first level has no bullets, the second one is a list."""
    from pptx.oxml import parse_xml
    from pptx.oxml.ns import qn

    styles = deck.slide_master._element.find(qn("p:txStyles"))
    title = _level(1, SCALE.title, "mj", bold=True)
    body = _level(1, SCALE.body, "mn") + _level(2, SCALE.body, "mn", bullet=True)
    for name, levels in (("titleStyle", title), ("bodyStyle", body)):
        styles.replace(styles.find(qn(f"p:{name}")), parse_xml(f"<p:{name} {P} {A}>{levels}</p:{name}>"))


def _level(number: int, size: float, fonts: str, *, bold: bool = False, bullet: bool = False) -> str:
    """Of a list's style; the height of lines is fixed, so that it does not depend on the font."""
    indent = 'marL="228600" indent="-228600"' if bullet else 'marL="0" indent="0"'
    mark = '<a:buClr><a:schemeClr val="accent1"/></a:buClr><a:buFont typeface="Arial"/><a:buChar char="•"/>'
    faces = "".join(f'<a:{name} typeface="+{fonts}-{end}"/>' for name, end in (("latin", "lt"), ("ea", "ea")))
    return (
        f'<a:lvl{number}pPr {indent} algn="l">{spacing(size, 0 if bold else SCALE.gap)}'
        f"{mark if bullet else '<a:buNone/>'}{letters(size, bold=bold, faces=faces)}</a:lvl{number}pPr>"
    )


def spacing(size: float, before: float) -> str:
    """Of a paragraph."""
    return (
        f'<a:lnSpc><a:spcPts val="{100 * LINE_HEIGHT * size:.0f}"/></a:lnSpc>'
        f'<a:spcBef><a:spcPts val="{100 * before:.0f}"/></a:spcBef>'
    )


def letters(size: float, *, bold: bool = False, colour: str = "tx1", faces: str = "") -> str:
    return (
        f'<a:defRPr sz="{100 * size:.0f}" b="{int(bold)}"><a:solidFill><a:schemeClr val="{colour}"/></a:solidFill>'
        f"{faces}</a:defRPr>"
    )


def footer_style(side: str) -> str:
    return f'<a:lvl1pPr algn="{side}">{letters(FOOTER_SIZE, colour="tx2")}</a:lvl1pPr>'


def set_list_style(shape: Any, levels: str) -> None:
    """Replace what the shape says about its own levels; the rest is the master's."""
    from pptx.oxml import parse_xml
    from pptx.oxml.ns import qn

    body = shape.text_frame._txBody
    body.replace(body.find(qn("a:lstStyle")), parse_xml(f"<a:lstStyle {A}>{levels}</a:lstStyle>"))


def set_frame(shape: Any, region: Region, anchor: str = "t") -> None:
    """Place a shape and its text, which the program is not to shrink: it has been measured."""
    from pptx.enum.text import MSO_AUTO_SIZE
    from pptx.util import Inches

    region.place(shape)
    frame = shape.text_frame
    frame.margin_left = frame.margin_right = frame.margin_top = frame.margin_bottom = Inches(region.inset)
    frame.auto_size, frame.word_wrap = MSO_AUTO_SIZE.NONE, True
    frame._txBody.bodyPr.set("anchor", anchor)


def _place_all(deck: "Presentation") -> None:
    master, layouts = deck.slide_master, deck.slide_layouts
    title, body, _, footer, number = master.placeholders
    set_frame(title, TITLE, "ctr")
    set_frame(body, WIDE_TEXT)
    for shape, region, side in ((footer, FOOTER, "l"), (number, NUMBER, "r")):
        set_frame(shape, region, "ctr")
        set_list_style(shape, footer_style(side))
    for holder in (master, *layouts):
        _remove_date(holder)
    _add_stripe(master)
    _set_cover(layouts[COVER])
    text, terms = layouts[TEXT_AND_TERMS].placeholders[1], layouts[TEXT_AND_TERMS].placeholders[2]
    _fill(terms, "BACKGROUND_2")
    for shape, region in ((text, TEXT), (terms, TERMS)):
        set_list_style(shape, "")
        set_frame(shape, region)


def _remove_date(holder: Any) -> None:
    from pptx.enum.shapes import PP_PLACEHOLDER

    for shape in list(holder.placeholders):
        if shape.placeholder_format.type == PP_PLACEHOLDER.DATE:
            shape._element.getparent().remove(shape._element)


def _add_stripe(master: Any) -> None:
    from pptx.oxml import parse_xml
    from pptx.util import Inches

    left, top, width, height = (int(Inches(one)) for one in (STRIPE.left, STRIPE.top, STRIPE.width, STRIPE.height))
    stripe = parse_xml(
        f'<p:sp {P} {A}><p:nvSpPr><p:cNvPr id="99" name="Stripe"/><p:cNvSpPr/><p:nvPr userDrawn="1"/></p:nvSpPr>'
        f'<p:spPr><a:xfrm><a:off x="{left}" y="{top}"/><a:ext cx="{width}" cy="{height}"/></a:xfrm>'
        '<a:prstGeom prst="rect"><a:avLst/></a:prstGeom>'
        '<a:solidFill><a:schemeClr val="accent1"/></a:solidFill></p:spPr></p:sp>'
    )
    master.shapes._spTree.insert(2, stripe)


def _set_cover(layout: Any) -> None:
    """White on the first colour of the palette, without what is on all other slides."""
    _fill(layout.background, "ACCENT_1")
    layout._element.set("showMasterSp", "0")
    title, subtitle = list(layout.placeholders)[:2]
    set_frame(title, COVER_TITLE, "b")
    set_frame(subtitle, COVER_SUBTITLE)
    for shape, size, bold in ((title, SCALE.display, True), (subtitle, SCALE.body, False)):
        style = spacing(size, 0) + letters(size, bold=bold, colour="bg1")
        set_list_style(shape, f'<a:lvl1pPr algn="l">{style}</a:lvl1pPr>')


def _fill(filled: Any, colour: str) -> None:
    """A shape or a background, with a colour of the theme."""
    from pptx.enum.dml import MSO_THEME_COLOR

    filled.fill.solid()
    filled.fill.fore_color.theme_color = getattr(MSO_THEME_COLOR, colour)
