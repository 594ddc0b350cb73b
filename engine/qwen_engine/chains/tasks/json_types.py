"""The JSON that functions of graphs read. Keys besides these may be there and are left as they are."""

from collections.abc import Sequence
from typing import Annotated, NotRequired

from pydantic import AfterValidator, Field
from typing_extensions import TypedDict

from qwen_wire.errors import InvalidRequest
from qwen_wire.json_text import cut
from qwen_wire.languages import CODES, language_code

LONGEST_S = 1e7  # of a recording: months
Seconds = Annotated[float, Field(ge=0, le=LONGEST_S, allow_inf_nan=False)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]


def _named(written: str) -> str:
    try:
        language_code(written, "it")
    except InvalidRequest:
        known = ", ".join(f"{name} ({code})" for name, code in CODES.items())
        raise ValueError(f"is {cut(written)!r}; allowed: {known}") from None
    return written


NamedLanguage = Annotated[str, AfterValidator(_named)]
"""A language, however it is written."""


class Segment(TypedDict):
    start_s: Seconds
    end_s: Seconds
    text: str


class FailedPiece(TypedDict):
    """A stretch of a recording whose text is missing."""

    start_s: Seconds
    end_s: Seconds
    message: str


class Transcript(TypedDict):
    """RESULT of `qwen3_asr`."""

    language: str | None
    duration_s: Seconds
    segments: Sequence[Segment]
    cues: NotRequired[Sequence[Segment]]
    failed: NotRequired[Sequence[FailedPiece]]


class TranscriptLanguage(TypedDict):
    language: str | None


class SpokenLine(TypedDict):
    """What somebody said, and when they began."""

    start_s: Seconds
    speaker: str
    text: str


class Decision(TypedDict):
    text: str


class Action(TypedDict):
    task: str
    owner: str
    due: str


class DatedAction(Action):
    due_date: str | None


class Event(TypedDict):
    date: str
    event: str


class DatedEvent(Event):
    on: str | None


class Minutes(TypedDict):
    """As the chat model writes them."""

    title: str
    decisions: Sequence[Decision]
    actions: Sequence[Action]
    dates: Sequence[Event]


class DatedMinutes(TypedDict):
    """With days as ISO dates, null where words name none."""

    title: str
    decisions: Sequence[Decision]
    actions: Sequence[DatedAction]
    dates: Sequence[DatedEvent]


class Titled(TypedDict):
    title: str


class Slide(TypedDict):
    title: str
    text: str
    key_terms: Sequence[str]


Link = TypedDict("Link", {"from": str, "to": str, "label": str})


class Lesson(TypedDict):
    title: str
    slides: Sequence[Slide]
    links: Sequence[Link]


class Translation(TypedDict):
    """A text to translate into a language."""

    language: str
    text: str


class SpokenText(TypedDict):
    text: str
