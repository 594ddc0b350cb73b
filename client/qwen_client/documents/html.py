"""Documents as HTML, for notebooks."""

import html
from collections.abc import Sequence

from qwen_client.documents.blocks import Block, Facts, Figure, Heading, Items, Paragraph, Sound, Table, numbered
from qwen_client.documents.words import word
from qwen_wire.theme import LINE_HEIGHT, THEMES, TypeScale, font_of

COLOURS, SCALE = THEMES["light"], TypeScale(15.0)  # pixels
STYLE = f"""
.qwen-document {{ max-width: 50em; color: {COLOURS.text}; background: {COLOURS.background}; padding: {SCALE.gap}px;
  font-size: {SCALE.body}px; line-height: {LINE_HEIGHT}; }}
.qwen-document h2 {{ font-size: {SCALE.display}px; border-bottom: 2px solid {COLOURS.palette[0]}; }}
.qwen-document h3 {{ font-size: {SCALE.heading}px; color: {COLOURS.palette[0]}; }}
.qwen-document dl {{ display: grid; grid-template-columns: max-content 1fr; gap: {SCALE.gap / 2}px {2 * SCALE.gap}px; }}
.qwen-document dt {{ color: {COLOURS.muted}; }}
.qwen-document dd {{ margin: 0; }}
.qwen-document table {{ width: 100%; border-collapse: collapse; }}
.qwen-document th, .qwen-document td {{ text-align: left; vertical-align: top; padding: {SCALE.gap / 2}px {SCALE.gap}px;
  border-bottom: 1px solid {COLOURS.grid}; }}
.qwen-document th {{ border-bottom: 2px solid {COLOURS.muted}; }}
.qwen-document tr:nth-child(even) {{ background: {COLOURS.band}; }}
.qwen-document figure {{ margin: {SCALE.gap}px 0; }}
.qwen-document img {{ max-width: 100%; height: auto; }}
.qwen-document figcaption {{ font-size: {SCALE.small}px; color: {COLOURS.muted}; }}
"""


def html_of(blocks: Sequence[Block], language: str) -> str:
    """The elements of the blocks; markup in a text is shown as it is. Pictures are inside, sounds are named."""
    figure, font = word("Figure", language), font_of(language)
    elements = "".join(_element(block, f"{figure} {number}. ") for block, number in numbered(blocks))
    family = f"'{font.family}', '{font.substitute.replace(',', chr(39) + ', ' + chr(39))}', sans-serif"
    return (
        f'<style>{STYLE}</style><div class="qwen-document" lang="{html.escape(language)}" '
        f'style="font-family: {family}">{elements}</div>'
    )


def _element(block: Block, label: str) -> str:
    match block:
        case Heading():
            return _tag(f"h{block.level + 1}", block.text)
        case Facts():
            return f"<dl>{''.join(_tag('dt', name) + _tag('dd', value) for name, value in block.pairs)}</dl>"
        case Paragraph():
            return "".join(_tag("p", line) for line in block.text.splitlines() if line.strip())
        case Items():
            return f"<ul>{''.join(_tag('li', text) for text in block.texts)}</ul>"
        case Table():
            head = "".join(_tag("th", text) for text in block.header)
            rows = ("".join(_tag("td", text) for text in row) for row in block.rows)
            return f"<table><tr>{head}</tr>{''.join(f'<tr>{row}</tr>' for row in rows)}</table>"
        case Figure():
            return f"<figure>{block.picture.as_img()}{_tag('figcaption', label + block.caption)}</figure>"
        case Sound():
            return _tag("p", f"{block.caption} ({block.file})")


def _tag(name: str, text: str) -> str:
    return f"<{name}>{html.escape(text)}</{name}>"
