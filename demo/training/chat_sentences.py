"""What the sentences of `corpus` say: their statements, and where in a message each of their parts stands."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from demo.training import corpus
from demo.training.chat_pieces import Piece, Place


def _any(words: tuple[str, ...] | dict[str, object]) -> str:
    return "(?:" + "|".join(words) + ")"


_COLOUR, _HAIL = _any(tuple(corpus.COLOURS)), _any(corpus.GREETINGS)
_THING, _WHO, _NUMBER = _any(corpus.THINGS), _any(corpus.ADDRESSEES), _any(corpus.NUMBERS)
_WHEN = rf"(?P<when>on (?P<weekday>{_any(corpus.DAYS)})|today|tomorrow)"
_TIME = rf"(?P<time>at (?P<hour>{_NUMBER}) o'clock)"
_SCENE = (
    rf"an? (?:(?P<size>{_any(corpus.SIZES)}) )?(?P<colour>{_COLOUR}) (?P<shape>{_any(corpus.SHAPES)})"
    rf"(?: on an? (?P<background>{_COLOUR}) background)?"
)
_PATTERNS = {
    "scene": rf"(?P<please>please )?(?:(?P<verb>{_any(corpus.VERBS)}) )?(?P<scene>{_SCENE})",
    "meeting": rf"(?P<the_meeting>the (?P<subject>meeting)) starts {_TIME} {_WHEN}",
    "call": rf"please (?P<call>call) (?P<who>{_WHO}) (?:{_TIME} )?{_WHEN}",
    "agreed": rf"we agreed on (?P<thing>{_THING}) and (?P<other>{_THING})",
    "task": rf"(?P<subject>the task) is done by (?P<who>{_any(corpus.NAMES)}) {_WHEN}",
    "next": rf"next step is (?P<thing>{_THING}) {_WHEN}",
    "send": rf"(?P<send>send) (?P<thing>{_THING}) to (?P<who>{_WHO}) {_WHEN}",
    "digits": rf"the (?P<subject>number) is (?P<digits>{_NUMBER}(?: {_NUMBER})*)",
    "greeting": rf"(?P<hail>{_HAIL}) (?P<who>{_WHO})",
    # Said to the assistant alone:
    "recall": r"show me (?P<recalled>the picture|the plan)",
    "other_day": _WHEN,
    "other_colour": rf"(?P<colour>{_COLOUR})",
    "other_size": rf"(?P<size>{_any(corpus.SIZES)})",
}
_KINDS = {kind: re.compile(rf"(?i:{pattern})(?= and |\.|$)") for kind, pattern in _PATTERNS.items()}
_OPENING = re.compile(rf"(?i:(?P<hail>{_HAIL})), ")
_SENTENCE = re.compile(r"[^.\s][^.]*\.?")


@dataclass(frozen=True)
class Statement:
    """`spans` are the offsets in `whole` of its parts, by the names of the groups above; `changed` parts come later."""

    kind: str
    whole: Piece
    spans: Mapping[str, tuple[int, int]]
    changed: Mapping[str, Piece] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Piece:
        return self.changed[name] if name in self.changed else self.whole.cut(*self.spans[name])

    def get(self, name: str) -> Piece | None:
        return self[name] if name in self.changed or name in self.spans else None

    @property
    def day(self) -> Piece:
        """ "Friday", "today" or "tomorrow"."""
        return self.get("weekday") or self["when"].lowered()

    @property
    def scene(self) -> corpus.Scene:
        """What is to be seen, after all changes."""
        names = ("colour", "shape", "size", "background")
        return corpus.Scene(**{name: piece.text.lower() for name in names if (piece := self.get(name))})

    def stretch(self, first: str, last: str) -> Piece:
        """From the beginning of one part to the end of another."""
        return self.whole.cut(self.spans[first][0], self.spans[last][1])

    def before(self, name: str) -> Piece:
        """All that stands before a part."""
        return self.whole.cut(0, self.spans[name][0])


@dataclass(frozen=True)
class Understood:
    """One sentence: all of it, the greeting that opens it, what it states (nothing where it is not understood)."""

    whole: Piece
    hail: Piece | None
    statements: tuple[Statement, ...]


def understood(text: str, message: int, offset: int = 0) -> list[Understood]:
    """The sentences of `text`, which begins at `offset` in the given message."""
    return [_sentence(found[0], Place(message, offset + found.start())) for found in _SENTENCE.finditer(text)]


def _sentence(text: str, place: Place) -> Understood:
    whole = Piece(text, place)
    opening = _OPENING.match(text)
    hail = whole.cut(*opening.span("hail")) if opening else None
    return Understood(whole, hail, tuple(_statements(whole, opening.end() if opening else 0)))


def _statements(sentence: Piece, position: int) -> Iterator[Statement]:
    while found := _match(sentence.text, position):
        kind, match = found
        begin, position = match.start(), match.end() + len(" and ")
        names = [name for name, said in match.groupdict().items() if said]
        spans = {name: (match.start(name) - begin, match.end(name) - begin) for name in names}
        yield Statement(kind, sentence.cut(*match.span()), spans)


def _match(text: str, position: int) -> tuple[str, re.Match[str]] | None:
    found = ((kind, pattern.match(text, position)) for kind, pattern in _KINDS.items())
    return next(((kind, match) for kind, match in found if match), None)
