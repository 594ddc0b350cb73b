"""Joins texts with the spacing of their scripts."""

import unicodedata
from collections.abc import Iterable

from qwen_engine.asr.scripts import is_spaced, needs_no_space

OPENING_SIGNS = frozenset("¿¡")
CLOSING_SIGNS = frozenset(".,;:!?…%،؛؟。、，．！？；：‥・％")


def join_texts(texts: Iterable[str], language: str | None = None) -> str:
    """One text of `texts` (pieces of a recording, or words) in their order; blank ones are left out.

    One space goes between two texts, none beside Chinese characters, kana and full-width signs, none before closing
    and after opening punctuation. Where neither neighbour is a letter, `language` (English name) decides.
    """
    joined: list[str] = []
    for text in map(str.strip, texts):
        if text and joined and has_space_between(joined[-1][-1], text[0], language):
            joined.append(" ")
        if text:
            joined.append(text)
    return "".join(joined)


def has_space_between(left: str, right: str, language: str | None = None) -> bool:
    """Whether a space belongs between the characters `left` and `right`."""
    if needs_no_space(left) or needs_no_space(right) or is_opening(left) or is_closing(right):
        return False
    return is_spaced(language) or left.isalpha() or right.isalpha()


def is_opening(char: str) -> bool:
    """Whether `char` belongs to what follows, as brackets and «quotes» that open."""
    return unicodedata.category(char) in ("Ps", "Pi") or char in OPENING_SIGNS


def is_closing(char: str) -> bool:
    """Whether `char` belongs to what stands before, as full stops and brackets that close."""
    return unicodedata.category(char) in ("Pe", "Pf") or char in CLOSING_SIGNS
