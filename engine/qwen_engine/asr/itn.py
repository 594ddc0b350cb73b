"""Inverse text normalisation: numbers, dates and amounts that were spoken are written in figures, by wetext's rules.

There are rules for Chinese (Cantonese too), English and Japanese; text in other languages stays as it is. The rules
come with the package; they are loaded (70 MB) when they are first needed.
"""

import functools
import logging
import re
import threading
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from typing import Any, TypeAlias

from qwen_engine.asr.text_join import join_texts
from qwen_wire.transcripts import Word

log = logging.getLogger(__name__)

RULES = {"Chinese": "zh", "Cantonese": "zh", "English": "en", "Japanese": "ja"}
# Clauses are rewritten one by one: the rules do not see through punctuation, put spaces before full stops, and fail
# on quotation marks, backslashes and control characters. "p.m." stays whole.
BETWEEN_CLAUSES = re.compile(r'([,;:!?…，；：、。！？"\\\x00-\x08\x0e-\x1f\x7f]+|(?<=\w\w)\.(?=\s|$))')
_LOCK = threading.Lock()
WINDOW = 200  # words or characters that are compared at once
SURE = 0.7
Change: TypeAlias = tuple[str, int, int, int, int]  # as difflib returns it


def write_figures(text: str, language: str | None) -> str:
    """`text` with what can be written in figures so written; where the rules fail, as it was."""
    rules = RULES.get(language or "")
    if rules is None:
        return text
    parts = BETWEEN_CLAUSES.split(text)
    parts[::2] = [_rewritten(clause, rules) for clause in parts[::2]]
    return "".join(parts)


def timed_figures(words: Sequence[Word], written: Sequence[str], *, chars: bool) -> list[Word]:
    """What was `written` for the `words` (or `chars`) that were spoken: "$25" for "twenty five dollars"."""
    join = "".join if chars else join_texts
    timed: list[Word] = []
    changes = _changes([word.text for word in words], written)
    for kind, first, last, first_written, last_written in changes:
        if kind == "equal":
            timed += words[first:last]
        elif first_written < last_written:
            spoken = words[first:last] or words[max(first - 1, 0) : first + 1]
            timed.append(Word(join(written[first_written:last_written]), spoken[0].start_s, spoken[-1].end_s))
    return timed


def _changes(spoken: Sequence[str], written: Sequence[str]) -> Iterator[Change]:
    """As `SequenceMatcher.get_opcodes`, which of a long text would take the cube of its length: window by window, each
    from where the last one was sure."""
    at, at_written = 0, 0
    while at < len(spoken) or at_written < len(written):
        window, window_written = spoken[at : at + WINDOW], written[at_written : at_written + WINDOW]
        found = SequenceMatcher(None, window, window_written, autojunk=False).get_opcodes()
        is_last = at + WINDOW >= len(spoken) and at_written + WINDOW >= len(written)
        sure = found if is_last else _sure(found)
        for kind, first, last, first_written, last_written in sure:
            yield kind, at + first, at + last, at_written + first_written, at_written + last_written
        at, at_written = at + sure[-1][2], at_written + sure[-1][4]


def _sure(found: Sequence[Change]) -> Sequence[Change]:
    """Those that begin well before the end of a window, behind which what is alike may go on; all, where none does."""
    sure = [change for change in found if max(change[1], change[3]) < SURE * WINDOW]
    while sure and sure[-1][0] != "equal":
        sure.pop()
    return sure or found


def _rewritten(clause: str, rules: str) -> str:
    """One clause, without change of the space around it."""
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
