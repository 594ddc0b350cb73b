"""What documents are made of, whatever their format."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from qwen_client.pictures import Picture
from qwen_wire.errors import InvalidRequest

AUTHOR = "qwen-triton"  # among the properties of a document
MAX_PROPERTY_CHARS = 255
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def clean(text: str) -> str:
    """Without what no XML document may hold (XML 1.0, Char): control characters, halves of surrogate pairs."""
    return CONTROL.sub("", text)


@dataclass(frozen=True)
class Heading:
    """`level` 1 is the document's title."""

    text: str
    level: int = 2

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", clean(self.text))


@dataclass(frozen=True)
class Paragraph:
    text: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", clean(self.text))


@dataclass(frozen=True)
class Facts:
    """What the document is about, below its title: names and values."""

    pairs: tuple[tuple[str, str], ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "pairs", tuple((name, clean(value)) for name, value in self.pairs))


@dataclass(frozen=True)
class Items:
    """A list, a point each."""

    texts: tuple[str, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "texts", tuple(map(clean, self.texts)))


@dataclass(frozen=True)
class Table:
    """A row of headings above the others."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "header", tuple(map(clean, self.header)))
        object.__setattr__(self, "rows", tuple(tuple(map(clean, row)) for row in self.rows))


@dataclass(frozen=True)
class Figure:
    """A picture, which lies as `file` beside the document."""

    picture: Picture
    file: str
    caption: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "caption", clean(self.caption))


@dataclass(frozen=True)
class Sound:
    """A recording that lies as `file` beside the document."""

    file: str
    caption: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "caption", clean(self.caption))


Block: TypeAlias = Heading | Paragraph | Facts | Items | Table | Figure | Sound


def numbered(blocks: Sequence[Block]) -> Iterator[tuple[Block, int]]:
    """Each with the number of figures up to it."""
    number = 0
    for block in blocks:
        number += isinstance(block, Figure)
        yield block, number


def title_of(blocks: Sequence[Block]) -> str:
    """The first heading."""
    return next((block.text for block in blocks if isinstance(block, Heading)), "")


def property_text(text: str) -> str:
    """A title for the properties of a document: python-docx and python-pptx refuse more than 255 characters."""
    return clean(text)[:MAX_PROPERTY_CHARS]


def require(library: str, load: Callable[[], object]) -> None:
    """Raise `InvalidRequest` where a library of documents is missing, which says how to install it."""
    try:
        load()
    except ImportError as error:
        raise InvalidRequest(
            f"{library}, which writes the document, is not installed; install it with: pip install {library}"
        ) from error
