"""Words with their times become the cues of subtitles, short enough to read.

A cue is one or two lines of at most 42 columns (21 Chinese characters), is shown for one second to seven where the
words leave room for it, and ends where a sentence, a clause or a breath ends rather than anywhere. No line begins with
punctuation that belongs to the line before.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

from qwen_engine.asr.durations import with_durations
from qwen_engine.asr.line_width import MAX_COLUMNS, cut_to_width, width
from qwen_engine.asr.scripts import is_cjk
from qwen_engine.asr.text_join import has_space_between, is_closing, is_opening
from qwen_wire.transcripts import Cue, Segment, Word

SHORTEST_MS, LONGEST_MS = 1000, 7000
PAUSE_MS = 700
NEVER_MS = 10**12
SENTENCE_ENDS, CLAUSE_ENDS = ".!?…。！？؟", ",;:，；：、،؛"
ORPHAN_RATIO = 3  # times shorter than the cue before
CLAUSE_WORTH_COLUMNS = 12  # how uneven two lines may be for a break after a clause
SEARCHED_CHARS = 16  # how much of the text may stand between two words
TOKEN = re.compile(r"\S+")


@dataclass(frozen=True)
class _Unit:
    """What no line break goes through. `spaced`: a space stands before it, unless a line begins there."""

    text: str
    start_ms: int
    end_ms: int
    spaced: bool

    @cached_property
    def columns(self) -> int:
        return width(self.text)

    def ends_with(self, signs: str) -> bool:
        return self.text.rstrip("\"'”’»」』)）")[-1:] in set(signs)


def cues_of_words(words: Sequence[Word], text: str, language: str | None, duration_s: float) -> list[Cue]:
    """Cues of the speech in `duration_s`; `text` shows how the words are spaced, else their script decides."""
    duration_ms = round(1000 * duration_s)
    units = _lengthened(list(_units(words, text, language)), duration_ms)
    parts = [part for unit in _merged(units) for part in _cut(unit)]
    return _timed(_evened(_filled(parts)), duration_ms)


def cues_of_segments(segments: Sequence[Segment], language: str | None, duration_s: float) -> list[Cue]:
    """Cues where only whole segments have times: their words are assumed to be evenly spoken."""
    words = [word for segment in segments for word in words_of(segment)]
    return cues_of_words(words, " ".join(segment.text for segment in segments), language, duration_s)


def words_of(segment: Segment) -> list[Word]:
    """The words, and single Chinese characters, of a segment, each with its share of the time."""
    parts = [part for token in TOKEN.findall(segment.text) for part in _single_cjk(token)]
    per_column_s = (segment.end_s - segment.start_s) / max(1, sum(map(width, parts)))
    words: list[Word] = []
    at_s = segment.start_s
    for part in parts:
        until_s = at_s + per_column_s * width(part)
        words.append(Word(part, at_s, until_s))
        at_s = until_s
    return words


def _single_cjk(token: str) -> list[str]:
    starts = [0]
    for index, char in enumerate(token[1:], 1):
        if is_cjk(char) or (is_cjk(token[starts[-1]]) and not is_closing(char)):
            starts.append(index)
    return [token[start:end] for start, end in pairwise([*starts, len(token)])]


def _units(words: Sequence[Word], text: str, language: str | None) -> Iterator[_Unit]:
    """One a word, in ms, in order of their starts; words without printable text are left out."""
    end_of_last, last_char, latest_ms = 0, "", 0
    for word in words:
        shown = " ".join(re.sub(r"[\x00-\x1f\x7f-\x9f]", " ", word.text).split())
        if not shown:
            continue
        at = text.find(shown, end_of_last, end_of_last + len(shown) + SEARCHED_CHARS)
        if at < 0:
            spaced = bool(last_char) and has_space_between(last_char, shown[0], language)
        else:
            spaced = any(map(str.isspace, text[end_of_last:at]))
            end_of_last = at + len(shown)
        latest_ms = max(latest_ms, round(1000 * word.start_s))
        yield _Unit(shown, latest_ms, max(latest_ms, round(1000 * word.end_s)), spaced)
        last_char = shown[-1]


def _lengthened(units: Sequence[_Unit], duration_ms: int) -> list[_Unit]:
    """Those of figures may overlap, or have no time."""
    if not units:
        return []
    begins = [*(unit.start_ms for unit in units[1:]), max(duration_ms, units[-1].end_ms)]
    spans = [(unit.start_ms, min(unit.end_ms, begin)) for unit, begin in zip(units, begins, strict=True)]
    given = with_durations(spans, begins[-1])
    return [
        replace(unit, start_ms=round(start), end_ms=round(end)) for unit, (start, end) in zip(units, given, strict=True)
    ]


def _merged(units: Sequence[_Unit]) -> list[_Unit]:
    """Punctuation goes with its word, letters with their neighbours; Chinese characters stand alone."""
    groups: list[list[_Unit]] = []
    for unit in units:
        if groups and _inseparable(groups[-1][-1], unit):
            groups[-1].append(unit)
        else:
            groups.append([unit])
    return [_together(group) for group in groups]


def _together(units: Sequence[_Unit]) -> _Unit:
    first, *others = units
    text = "".join([first.text, *(" " * unit.spaced + unit.text for unit in others)])
    return replace(first, text=text, end_ms=max(unit.end_ms for unit in units))


def _inseparable(first: _Unit, second: _Unit) -> bool:
    left, right = first.text[-1], second.text[0]
    if is_closing(right) or is_opening(left):
        return True
    return not second.spaced and not is_cjk(left) and not is_cjk(right) and not is_closing(left)


def _cut(unit: _Unit) -> Iterator[_Unit]:
    """A unit that is wider than a line, in parts."""
    if unit.columns <= MAX_COLUMNS:
        yield unit
        return
    at_ms = float(unit.start_ms)
    for number, part in enumerate(cut_to_width(unit.text)):
        until_ms = at_ms + (unit.end_ms - unit.start_ms) * width(part) / unit.columns
        yield _Unit(part, round(at_ms), round(until_ms), unit.spaced and number == 0)
        at_ms = until_ms


def _filled(units: Sequence[_Unit]) -> list[list[_Unit]]:
    """Which units make a cue."""
    cues: list[list[_Unit]] = []
    for unit in units:
        if not cues or _ends_before(cues[-1], unit):
            cues.append([unit])
        elif _fits([*cues[-1], unit]):
            cues[-1].append(unit)
        else:
            carried = _after_last_clause(cues[-1])
            if not _fits([*carried, unit]):
                carried = []
            del cues[-1][len(cues[-1]) - len(carried) :]
            cues.append([*carried, unit])
    return cues


def _evened(cues: list[list[_Unit]]) -> list[list[_Unit]]:
    """Where the rest of a sentence is a mere word or two, it gets half of the cue before."""
    for before, rest in pairwise(cues):
        orphan = ORPHAN_RATIO * _columns(rest) < _columns(before)
        if not orphan or _ends_before(before, rest[0]) or before[-1].ends_with(SENTENCE_ENDS + CLAUSE_ENDS):
            continue
        while len(before) > 1 and _columns([before[-1], *rest]) <= _columns(before[:-1]) and _fits([before[-1], *rest]):
            rest.insert(0, before.pop())
    return cues


def _ends_before(cue: Sequence[_Unit], unit: _Unit) -> bool:
    """Whether a sentence or a breath ends between the two."""
    if unit.start_ms - cue[-1].end_ms >= PAUSE_MS:
        return True
    long_enough = cue[-1].end_ms - cue[0].start_ms >= SHORTEST_MS
    return long_enough and cue[-1].ends_with(SENTENCE_ENDS) and not unit.text[0].islower()


def _fits(cue: Sequence[_Unit]) -> bool:
    if cue[-1].end_ms - cue[0].start_ms > LONGEST_MS:
        return False
    return _columns(cue) <= MAX_COLUMNS or any(max(columns) <= MAX_COLUMNS for _, *columns in _breaks(cue))


def _after_last_clause(cue: Sequence[_Unit]) -> Sequence[_Unit]:
    """The units after the last clause that ends in the second half, for the next cue; none where none does."""
    for index in range(len(cue) - 1, len(cue) // 2, -1):
        if cue[index - 1].ends_with(SENTENCE_ENDS + CLAUSE_ENDS):
            return cue[index:]
    return []


def _lines(cue: Sequence[_Unit]) -> list[str] | None:
    """One line, or two as even as can be, but rather broken after a clause; None if they are too long."""
    if _columns(cue) <= MAX_COLUMNS:
        return [_line(cue)]
    fitting = [
        (index, abs(first - second)) for index, first, second in _breaks(cue) if max(first, second) <= MAX_COLUMNS
    ]
    if not fitting:
        return None

    def unevenness(place: tuple[int, int]) -> int:
        index, difference = place
        return difference - CLAUSE_WORTH_COLUMNS * cue[index - 1].ends_with(SENTENCE_ENDS + CLAUSE_ENDS)

    best, _ = min(fitting, key=unevenness)
    return [_line(cue[:best]), _line(cue[best:])]


def _breaks(cue: Sequence[_Unit]) -> Iterator[tuple[int, int, int]]:
    """Where a cue may be broken into two lines, and how many columns these have."""
    total, first = _columns(cue), 0
    for index in range(1, len(cue)):
        first += cue[index - 1].columns + (cue[index - 1].spaced and index > 1)
        yield index, first, total - first - cue[index].spaced


def _columns(units: Sequence[_Unit]) -> int:
    return sum(unit.columns + unit.spaced for unit in units) - units[0].spaced


def _line(units: Sequence[_Unit]) -> str:
    return "".join(" " * unit.spaced + unit.text for unit in units).strip()


def _timed(cues: Sequence[Sequence[_Unit]], duration_ms: int) -> list[Cue]:
    """Each cue ends before the next one begins, and lasts at least a millisecond whatever times the words have."""
    begins = [cue[0].start_ms for cue in cues]
    timed: list[Cue] = []
    free_ms = 0
    for cue, (begin_ms, next_ms) in zip(cues, pairwise([*begins, NEVER_MS]), strict=True):
        start_ms = max(begin_ms, free_ms)
        wanted_ms = max(max(unit.end_ms for unit in cue), min(start_ms + SHORTEST_MS, duration_ms))
        free_ms = max(start_ms + 1, min(wanted_ms, next_ms, start_ms + LONGEST_MS))
        timed.append(Cue(start_ms / 1000, free_ms / 1000, "\n".join(_lines(cue) or [_line(cue)])))
    return timed
