"""Text as the talker is to read it: without what nobody pronounces, and without control tokens."""

import re
import unicodedata
from collections.abc import Iterable

# Format characters that join or shape letters stay: U+200C and U+200D (zero width non-joiner and joiner).
JOINERS = "\u200c\u200d"


def normalised(text: str, control_tokens: Iterable[str] = ()) -> str:
    """`text` with one space for each stretch of white space (line breaks, no-break spaces), without control and format
    characters (soft hyphens, zero-width spaces, byte order marks, directions), and with every control token of the
    tokenizer broken into text.

    Example:
        normalised("Good\\u00a0morn\\u00ading,\\n everyone.")  # "Good morning, everyone."
    """
    if text.isascii() and text.isprintable() and "  " not in text:
        plain = text
    else:
        plain = re.sub(r"\s+", " ", "".join(one for one in text if one.isspace() or not _is_silent(one)))
    for token in control_tokens:
        plain = plain.replace(token, f"{token[0]} {token[1:]}")
    return plain


def _is_silent(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cf") and character not in JOINERS
