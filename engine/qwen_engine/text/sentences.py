"""Long text in pieces that end where a speaker would breathe.

Cuts come after the sentence ends of the ten languages, Latin, Cyrillic and CJK alike; a sentence that is longer than
a piece may be is cut at clauses, else at spaces, else anywhere. All of it takes time in proportion to the text.
"""

import re
import unicodedata
from collections.abc import Iterator
from itertools import pairwise

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
# At the end of a text that may go on: sure ends; likely ones, as "index." may become "index.html"; any others.
SURE_END = re.compile(rf"(?:[。！？][{CLOSING}]*\s?|[!?…][{CLOSING}]*\s|\n)$")
LIKELY_END = re.compile(rf"(?:[!?…]|[^\W\d_]{{2}}\.)[{CLOSING}]*\s?$")
POSSIBLE_END = re.compile(rf"\.[{CLOSING}]*\s?$")
LIKELY_END_S = 0.1
POSSIBLE_END_S = 1.0
END_CHARS = 32
END_MARKS = ".!?…。！？" + CLOSING.replace("\\", "")
ABBREVIATION_CHARS = 8  # more than any of them takes, with the space before it, the full stop and a line break
# Not between numbers and not within them, times and addresses: "1, 2, 3", "10,000", "10:30" and "https:" go on.
CLAUSE_END = re.compile(
    rf"(?<!\d)[,;:][{CLOSING}]*(?=\s)|(?<=\d)[,;:][{CLOSING}]*(?=\s+[^\s\d])"
    rf"|(?<!\d)[，；：、][{CLOSING}]*(?=[^\s{CLOSING}])|(?<=\d)[，；：、](?=[^\s\d])"
    r"|(?<=\s)[–—](?=\s)"
)
WORD_END = re.compile(r"(?<=[^\s\d])(?=\s)|(?<=\d)(?=\s+[^\s\d])")
MIN_CLAUSE_WEIGHT = 8.0  # letters that are worth speaking before their sentence is whole
CJK_CHAR = re.compile(f"[{CJK}]")
CJK_WEIGHT = 3.0  # one of these takes about as long to say as three letters
LONGEST_NUMBER = 20
LOOK_AHEAD = 8  # characters after a cut that say whether it is one


def speaking_weight(text: str) -> float:
    """How long `text` takes to say, in letters of a Latin script."""
    num_cjk = 0 if text.isascii() else len(CJK_CHAR.findall(text))
    return len(text) - num_cjk + CJK_WEIGHT * num_cjk


def pronounceable(text: str) -> bool:
    """Whether there is a letter or a digit of any script."""
    return any(unicodedata.category(char)[0] in "LN" for char in text)


def sentences(text: str) -> list[str]:
    """The sentences of `text`, stripped; those without anything to say are left out."""
    found = (text[start:end].strip() for start, end in _spans(text))
    return [sentence for sentence in found if pronounceable(sentence)]


def last_sentence(text: str) -> int:
    """Where the last sentence begins that says something; what follows it, says nothing."""
    return max((start for start, end in _spans(text) if pronounceable(text[start:end])), default=0)


def end_pause_s(text: str) -> float | None:
    """How long nothing has to follow `text` until its last sentence counts as complete; None: it is not."""
    written = text.rstrip()
    if not pronounceable(written):
        return None
    space = text[len(written) :]
    end = written[-END_CHARS:] + ("\n" if "\n" in space else space[:1])
    if SURE_END.search(end):
        return 0.0
    if LIKELY_END.search(end) and not ABBREVIATIONS.search(written[-END_CHARS:]):
        return LIKELY_END_S
    return POSSIBLE_END_S if POSSIBLE_END.search(end) else None


def pieces(text: str, max_weight: float) -> list[str]:
    """`text` in pieces of at most `max_weight` (see `speaking_weight`), as few as whole sentences allow."""
    if speaking_weight(text) <= max_weight:
        return [text.strip()]
    joined: list[list[str]] = []
    weight = 0.0
    for part in (part for sentence in sentences(text) for part in _cut(sentence, max_weight)):
        glue = " " if joined and not CJK_CHAR.match(joined[-1][-1][-1]) else ""
        added = len(glue) + speaking_weight(part)
        if joined and weight + added <= max_weight:
            joined[-1].append(glue + part)
            weight += added
        else:
            joined.append([part])
            weight = added - len(glue)
    return ["".join(parts) for parts in joined]


def head_end(text: str, start: int, max_weight: float) -> int:
    """Where the longest piece of at most `max_weight` ends that begins at `start`, as a speaker would cut it."""
    end = _fitting_end(text, start, max_weight)
    if end == len(text):
        return end
    return latest_cut(text, start, end)


def latest_cut(text: str, start: int, end: int) -> int:
    """As late as can be before `end`: where a clause ends that begins at `start`, else between words, else anywhere."""
    for pattern in (CLAUSE_END, WORD_END):
        for place in reversed(_matches(pattern, text, start, end)):
            if pronounceable(text[start:place]):
                return place
    return max(start + 1, loose_end(text, end))


def clause_ends(text: str) -> Iterator[int]:
    """Where clauses end within `text`."""
    return (match.end() for match in CLAUSE_END.finditer(text) if pronounceable(text[: match.end()]))


def _matches(pattern: re.Pattern[str], text: str, start: int, end: int) -> list[int]:
    """Where it matches after `start` and up to `end`, with a look at what follows there."""
    places = (match.end() for match in pattern.finditer(text, start, end + LOOK_AHEAD))
    return [place for place in places if start < place <= end]


def loose_end(text: str, end: int) -> int:
    """`end`, or the last place before it that parts neither a number nor what is written onto the letter before."""
    places = range(end, max(0, end - LONGEST_NUMBER), -1)
    return next((place for place in places if not _clings(text[place - 1], text[place])), end)


def _spans(text: str) -> Iterator[tuple[int, int]]:
    """Where each sentence begins and ends; together they are `text`."""
    return pairwise([0, *_ends(text), len(text)])


def _ends(text: str) -> Iterator[int]:
    start = 0
    for match in SENTENCE_END.finditer(text):
        end = match.end()
        if not ABBREVIATIONS.search(text[max(start, end - ABBREVIATION_CHARS) : end]):
            start = end
            yield end


def _cut(sentence: str, max_weight: float) -> Iterator[str]:
    """A sentence in parts that are not too long; those without anything to say are left out."""
    start = 0
    while start < len(sentence):
        end = head_end(sentence, start, max_weight)
        if pronounceable(sentence[start:end]):
            yield sentence[start:end].strip()
        start = end


def _fitting_end(text: str, start: int, max_weight: float) -> int:
    """How far the characters from `start` on weigh at most `max_weight`."""
    if CJK_WEIGHT * (len(text) - start) <= max_weight:
        return len(text)
    weight = 0.0
    for place in range(start, len(text)):
        weight += CJK_WEIGHT if CJK_CHAR.match(text[place]) else 1.0
        if weight > max_weight:
            return place
    return len(text)


def _clings(before: str, after: str) -> bool:
    """Two characters that must not be parted: digits, and what is written onto the one before."""
    return (before.isdigit() and after.isdigit()) or unicodedata.category(after)[0] in "MC"
