"""What documents are made of, whatever their format."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from qwen_client.pictures import Picture
from qwen_wire.errors import InvalidRequest


@dataclass(frozen=True)
class Heading:
    """`level` 1 is the document's title."""

    text: str
    level: int = 2


@dataclass(frozen=True)
class Paragraph:
    text: str


@dataclass(frozen=True)
class Items:
    """A list, a point each."""

    texts: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """A row of headings above the others."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Figure:
    """A picture, which lies as `file` beside the document."""

    picture: Picture
    file: str
    caption: str


@dataclass(frozen=True)
class Sound:
    """A recording that lies as `file` beside the document."""

    file: str
    caption: str


Block: TypeAlias = Heading | Paragraph | Items | Table | Figure | Sound


def require(library: str, load: Callable[[], object]) -> None:
    """Raise `InvalidRequest` where a library of documents is missing, which says how to install it."""
    try:
        load()
    except ImportError as error:
        raise InvalidRequest(
            f"{library}, which writes the document, is not installed; install it with: pip install {library}"
        ) from error
