"""Answers of the demo chat model in pieces that know which of the words before them they repeat.

The training teaches attention heads to look there; what the answers say is the pieces' text alone.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from qwen_engine.chains.tasks.prompts import written_json


class Place(NamedTuple):
    """A character of the conversation: number of the message, the system's not counted, and offset in it."""

    message: int
    offset: int


@dataclass(frozen=True)
class Piece:
    """Words of an answer; `place` is where the same words, or what they translate, begin in the conversation."""

    text: str
    place: Place | None = None

    def lowered(self) -> "Piece":
        """Without the capital that begins a sentence."""
        return replace(self, text=self.text[0].lower() + self.text[1:])

    def raised(self) -> "Piece":
        """With a capital."""
        return replace(self, text=self.text[0].upper() + self.text[1:])

    def cut(self, begin: int, end: int) -> "Piece":
        """Some of its characters."""
        return Piece(self.text[begin:end], self.place and Place(self.place.message, self.place.offset + begin))

    def words(self) -> list["Piece"]:
        """Each for itself."""
        return [self.cut(*found.span()) for found in re.finditer(r"\S+", self.text)]


Phrase = Sequence[Piece | str]
Answer = tuple[Piece, ...]


def phrase(*parts: Piece | str) -> Answer:
    """The parts one after another."""
    return tuple(Piece(part) if isinstance(part, str) else part for part in parts)


def joined(phrases: Sequence[Phrase], separator: str) -> Answer:
    """The phrases with `separator` between them."""
    parts: list[Piece | str] = []
    for number, one in enumerate(phrases):
        parts += ([separator] if number else []) + list(one)
    return phrase(*parts)


def sentence(parts: Phrase) -> Answer:
    """With a capital and a full stop."""
    first, *rest = phrase(*parts)
    return (first.raised(), *rest, Piece("."))


def plain(answer: Sequence[Piece]) -> str:
    """What it says."""
    return "".join(piece.text for piece in answer)


def json_answer(value: object) -> Answer:
    """`value`, nested dicts and lists of phrases (tuples), as the chat model writes JSON."""
    return tuple(_json(value))


def _json(value: object) -> Iterator[Piece]:
    if isinstance(value, dict):
        yield Piece("{")
        for number, (key, one) in enumerate(value.items()):
            yield Piece(("," if number else "") + written_json(key) + ":")
            yield from _json(one)
        yield Piece("}")
    elif isinstance(value, list):
        yield Piece("[")
        for number, one in enumerate(value):
            if number:
                yield Piece(",")
            yield from _json(one)
        yield Piece("]")
    else:
        assert isinstance(value, tuple)
        yield Piece('"')
        yield from phrase(*value)
        yield Piece('"')
