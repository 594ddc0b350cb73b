"""A reply in pieces to speak, cut while it is being written: its first clause at once, then whole sentences.

A cut needs to be sure: it is made when the character after it has come, so "3." may still become "3.5". What may be an
abbreviation, an initial, an ordinal or the number of a list's item is not cut after; a longer piece does no harm.
"""

import re
from collections.abc import Iterator

from qwen_engine.text.sentences import (
    ABBREVIATIONS,
    CLOSING,
    MIN_CLAUSE_WEIGHT,
    SENTENCE_END,
    clause_ends,
    latest_cut,
    pronounceable,
    speaking_weight,
)

MAX_PIECE_WEIGHT = 200.0  # a sentence that is longer is cut at a clause, else between words, else anywhere
SHORT_NUMBER = re.compile(r"(?:^|\D)\d{1,2}\.$")
MARKS = frozenset(".!?…。！？\n,;:，；：、–—")
CLOSING_MARKS = frozenset(CLOSING.replace("\\", ""))


class Clauses:
    """The pieces of a text that comes bit by bit. Put together as they are, they are the text.

    How the text comes in bits changes no piece. One of signs alone, without anything to pronounce, may be the last.

    Example:
        clauses = Clauses()
        clauses.add("Good morning, every")  # ["Good morning,"]
        clauses.add("one. We start")  # [" everyone."]
        clauses.finish()  # [" We start"]
    """

    def __init__(self) -> None:
        self._rest = ""
        self._begun = False
        self._is_marked = False

    def add(self, text: str) -> list[str]:
        """The pieces that are whole with this bit."""
        return [piece for char in text if (piece := self._grow(char))]

    def finish(self) -> list[str]:
        """Nothing follows: what is left, in one piece; none where nothing is left."""
        rest, self._rest = self._rest, ""
        return [rest] if rest else []

    def _grow(self, char: str) -> str:
        """The piece that ends before `char`; empty: none does."""
        self._rest += char
        end = self._mark_end() if self._is_marked else None
        if end is None and speaking_weight(self._rest) > MAX_PIECE_WEIGHT:
            end = latest_cut(self._rest, 0, len(self._rest) - 1)
        piece, self._rest = self._rest[: end or 0], self._rest[end or 0 :]
        self._begun = self._begun or bool(piece)
        goes_on = char in CLOSING_MARKS or char.isspace()
        self._is_marked = char in MARKS or (goes_on and self._is_marked)
        return piece

    def _mark_end(self) -> int | None:
        """Where the first piece ends that is sure to end at a mark."""
        clauses = () if self._begun else clause_ends(self._rest)
        ends = sorted((*sentence_ends(self._rest), *clauses))
        return next((end for end in ends if speaking_weight(self._rest[:end]) >= MIN_CLAUSE_WEIGHT), None)


def sentence_ends(text: str) -> Iterator[int]:
    """Where sentences end within `text`; its own end is not told, since the last sentence may go on."""
    for match in SENTENCE_END.finditer(text):
        sentence = text[: match.end()]
        is_sure = bool(text[match.end() :].strip())
        if is_sure and pronounceable(sentence) and not _goes_on(sentence):
            yield match.end()


def _goes_on(sentence: str) -> bool:
    return bool(ABBREVIATIONS.search(sentence) or SHORT_NUMBER.search(sentence))
