"""What of an answer is not as it should be, though the request went well: cut, damaged, missing or skipped parts."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["cut", "damaged", "missing", "skipped", "interrupted"]
CUT = {
    "budget": "was cut: it took longer than its text can",
    "repetition": "was cut: it said the same over and over",
    "silence": "was cut: it had fallen silent",
    None: "was cut at the limit of its length",
}


@dataclass(frozen=True)
class Shortfall:
    """`message` says what is wrong with what the `stage` made (None: the whole), or with its `item`.

    "cut": it ended at a limit; "damaged": some of the sound given could not be heard; "missing": a part failed;
    "skipped": there was nothing to make it from; "interrupted": another request ended it.
    """

    kind: Kind
    message: str
    stage: str | None = None
    item: int | None = None

    def __str__(self) -> str:
        numbered = "" if self.item is None else f" {self.item + 1}"
        return f"{self.stage}{numbered}: {self.message}" if self.stage else self.message


def of_answer(answer: Mapping[str, Any], subject: str = "it") -> Iterator[tuple[Kind, str]]:
    """Of one answer of a model, which messages call `subject`: what its RESULT or `end` tells, or a result's fields."""
    if answer["finish_reason"] == "length":
        yield "cut", f"{subject} {CUT.get(answer.get('cut_by'), CUT[None])}"
    if damage_s := answer.get("damage_s"):
        yield "damaged", f"{damage_s:.3g} s of sound are missing or damaged"
    for piece in answer.get("failed", ()):
        yield (
            "missing",
            f"what is said from {piece['start_s']:g} to {piece['end_s']:g} s is missing: {piece['message']}",
        )
