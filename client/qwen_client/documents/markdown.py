"""Documents as Markdown."""

import re
from collections.abc import Sequence

from qwen_client.documents.blocks import Block, Facts, Figure, Heading, Items, Paragraph, Sound, Table, numbered
from qwen_client.documents.words import word

# What would be markup inside a line, and what would be at a line's beginning.
INLINE = re.compile(r"([\\`*_\[\]<>|])")
AT_BEGINNING = re.compile(r"^(\s*)([#+\-=~]|\d+(?=[.)]))")


def markdown(blocks: Sequence[Block], language: str) -> str:
    """The document's text; what looks like markup in a text is shown as it is."""
    return (
        "\n\n".join(_written(block, f"{word('Figure', language)} {number}") for block, number in numbered(blocks))
        + "\n"
    )


def _written(block: Block, label: str) -> str:
    match block:
        case Facts():
            return "\n".join(f"- **{name}:** {_line(value)}" for name, value in block.pairs)
        case Heading():
            return f"{'#' * block.level} {_line(block.text)}"
        case Paragraph():
            return "\n\n".join(_line(line) for line in block.text.splitlines() if line.strip())
        case Items():
            return "\n".join(f"- {_line(text)}" for text in block.texts)
        case Table():
            rule = ("---",) * len(block.header)
            rows = [tuple(map(_line, block.header)), rule, *(tuple(map(_line, row)) for row in block.rows)]
            return "\n".join(f"| {' | '.join(row)} |" for row in rows)
        case Figure():
            return f"![{_line(block.caption)}]({block.file})\n\n*{label}. {_line(block.caption)}*"
        case Sound():
            return f"[{_line(block.caption)}]({block.file})"


def _line(text: str) -> str:
    escaped = INLINE.sub(r"\\\1", " ".join(text.split()))
    return AT_BEGINNING.sub(_shielded, escaped)


def _shielded(found: re.Match[str]) -> str:
    """A number cannot be escaped, the sign behind it can: 1\\. is no list."""
    return f"{found[1]}{found[2]}\\" if found[2].isdigit() else f"{found[1]}\\{found[2]}"
