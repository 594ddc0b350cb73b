"""What documents are made of, whatever their format."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from qwen_client.errors import InvalidRequest
from qwen_client.pictures import Picture


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
    """Raise `InvalidRequest` that names the extra to install where a library of documents is missing."""
    try:
        load()
    except ImportError as error:
        raise InvalidRequest(
            f"{library} is missing, which writes the document; install it with: pip install 'qwen-triton[documents]'"
        ) from error
