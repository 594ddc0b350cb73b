"""Texts that follow one another become one text, spaced as their scripts are."""

import unicodedata
from collections.abc import Iterable

from qwen_engine.asr.languages import is_spaced, needs_no_space

OPENING = ("Ps", "Pi")  # Unicode categories: ( [ « “ ¿ is not among them
CLOSING = ("Pe", "Pf")
OPENING_SIGNS = "¿¡"
CLOSING_SIGNS = ".,;:!?…%،؛؟"


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
    if needs_no_space(left) or needs_no_space(right):
        return False
    if unicodedata.category(left) in OPENING or left in OPENING_SIGNS:
        return False
    if unicodedata.category(right) in CLOSING or right in CLOSING_SIGNS:
        return False
    return is_spaced(language) or left.isalpha() or right.isalpha()
