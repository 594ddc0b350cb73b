"""Documents as HTML, for notebooks."""

import html
from collections.abc import Sequence

from qwen_client.documents.blocks import Block, Figure, Heading, Items, Paragraph, Sound, Table


def html_of(blocks: Sequence[Block]) -> str:
    """The elements of the blocks; markup in a text is shown as it is. Pictures are inside, sounds are named."""
    return "".join(map(_element, blocks))


def _element(block: Block) -> str:
    match block:
        case Heading():
            return _tag(f"h{block.level + 1}", block.text)
        case Paragraph():
            return "".join(_tag("p", line) for line in block.text.splitlines() if line.strip())
        case Items():
            return f"<ul>{''.join(_tag('li', text) for text in block.texts)}</ul>"
        case Table():
            head = "".join(_tag("th", text) for text in block.header)
            rows = ("".join(_tag("td", text) for text in row) for row in block.rows)
            return f"<table><tr>{head}</tr>{''.join(f'<tr>{row}</tr>' for row in rows)}</table>"
        case Figure():
            return f"<figure>{block.picture.as_img()}<figcaption>{html.escape(block.caption)}</figcaption></figure>"
        case Sound():
            return _tag("p", f"{block.caption}: {block.file}")


def _tag(name: str, text: str) -> str:
    return f"<{name}>{html.escape(text)}</{name}>"
