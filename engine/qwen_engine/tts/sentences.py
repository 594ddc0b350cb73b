"""Long text in pieces that end where a speaker would breathe.

Cuts come after the sentence ends of the ten languages, Latin, Cyrillic and CJK alike; a sentence that is longer than
a piece may be is cut at clauses, then at spaces, then anywhere.
"""

import re
import unicodedata

CJK = r"\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uff00-\uffef"
CLOSING = "\"'”’»)\\]」』）】"
# A full stop ends a sentence only before a space and a capital, a digit or CJK: "3.5" and "z. B. so" go on.
CAPITAL = r"[^\Wa-zа-яß-ÿ]"
SENTENCE_END = re.compile(
    rf"(?<=[。！？])[{CLOSING}]*"
    rf"|(?<=[!?…])[{CLOSING}]*(?=\s|$)"
    rf"|(?<=[^\W\d_]{{2}}\.)[{CLOSING}]*(?=\s+{CAPITAL}|\s*$)"
    rf"|(?<=\d\.)(?=\s+(?!\d){CAPITAL}|\s*$)"
    r"|\n+"
)
ABBREVIATIONS = re.compile(
    r"(?:^|[\s(])(?:Mr|Mrs|Ms|Dr|Prof|St|Nr|No|Sr|Sra|Srta|Jr|vs|etc|bzw|usw|ca|Dott|Sig|Mme|Mlle|cf|гл|стр|им|ул)\.$"
)
CLAUSE_END = re.compile(r"(?<=[,;:，；：、])")
CJK_CHAR = re.compile(f"[{CJK}]")
CJK_WEIGHT = 3.0  # one of these takes about as long to say as three letters


def speaking_weight(text: str) -> float:
    """How long `text` takes to say, in letters of a Latin script."""
    num_cjk = len(CJK_CHAR.findall(text))
    return len(text) - num_cjk + CJK_WEIGHT * num_cjk


def pronounceable(text: str) -> bool:
    """Whether there is a letter or a digit of any script."""
    return any(unicodedata.category(char)[0] in "LN" for char in text)


def sentences(text: str) -> list[str]:
    """The sentences of `text`, stripped; those without anything to say are left out."""
    found, start = [], 0
    for match in SENTENCE_END.finditer(text):
        if not ABBREVIATIONS.search(text[start : match.end()]):
            found.append(text[start : match.end()].strip())
            start = match.end()
    found.append(text[start:].strip())
    return [sentence for sentence in found if pronounceable(sentence)]


def pieces(text: str, max_weight: float) -> list[str]:
    """`text` in pieces of at most `max_weight` (see `speaking_weight`), as few as whole sentences allow."""
    if speaking_weight(text) <= max_weight:
        return [text.strip()]
    parts = [part for sentence in sentences(text) for part in _cut(sentence, max_weight)]
    joined: list[str] = []
    for part in parts:
        together = _join(joined[-1], part) if joined else part
        if joined and speaking_weight(together) <= max_weight:
            joined[-1] = together
        else:
            joined.append(part)
    return joined


def _join(first: str, second: str) -> str:
    return first + second if CJK_CHAR.match(first[-1]) else f"{first} {second}"


def _cut(sentence: str, max_weight: float) -> list[str]:
    """A sentence in parts that are not too long: at clauses, else at spaces, else anywhere."""
    if speaking_weight(sentence) <= max_weight:
        return [sentence]
    for units in (CLAUSE_END.split(sentence), re.split(r"(?<=\s)", sentence), list(sentence)):
        if all(speaking_weight(unit) <= max_weight for unit in units):
            return _pack(units, max_weight)
    return _pack(list(sentence), max_weight)


def _pack(units: list[str], max_weight: float) -> list[str]:
    packed = [""]
    for unit in units:
        if packed[-1] and speaking_weight(packed[-1] + unit) > max_weight:
            packed.append("")
        packed[-1] += unit
    return [part.strip() for part in packed if pronounceable(part)]
