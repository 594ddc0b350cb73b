"""Inverse text normalisation: numbers, dates and amounts that were spoken are written in figures, by wetext's rules.

There are rules for Chinese (Cantonese too), English and Japanese; text in other languages stays as it is. The rules
come with the package; they are loaded (70 MB) when they are first needed.
"""

import functools
import logging
import re
import threading
from typing import Any

log = logging.getLogger(__name__)

RULES = {"Chinese": "zh", "Cantonese": "zh", "English": "en", "Japanese": "ja"}
# Clauses are rewritten one by one: the rules do not see through punctuation, put spaces before full stops, and fail
# on quotation marks, backslashes and control characters. "p.m." stays whole.
BETWEEN_CLAUSES = re.compile(r'([,;:!?…，；：、。！？"\\\x00-\x08\x0e-\x1f\x7f]+|(?<=\w\w)\.(?=\s|$))')
_LOCK = threading.Lock()


def write_figures(text: str, language: str | None) -> str:
    """`text` with what can be written in figures so written; where the rules fail, as it was."""
    rules = RULES.get(language or "")
    if rules is None:
        return text
    parts = BETWEEN_CLAUSES.split(text)
    parts[::2] = [_rewritten(clause, rules) for clause in parts[::2]]
    return "".join(parts)


def _rewritten(clause: str, rules: str) -> str:
    """One clause, the space around it kept."""
    spoken = clause.strip()
    if not spoken:
        return clause
    try:
        with _LOCK:
            written = str(_normaliser(rules).normalize(spoken))
    except Exception:
        log.exception("a clause could not be written in figures")
        return clause
    return clause.replace(spoken, written) if written else clause


@functools.cache
def _normaliser(rules: str) -> Any:
    from wetext import Normalizer

    return Normalizer(lang=rules, operator="itn")
