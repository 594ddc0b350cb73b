"""The events of chains, whose stages run side by side: how they meet differs from run to run.

So they are told stage by stage and item by item. Left out is how long a call waits for a place; pieces of text and of
sound are joined, since how these are cut is recorded where the called models are.
"""

import itertools
import math
from collections.abc import Callable
from typing import Any

Response = dict[str, Any]


def in_order(responses: list[Response]) -> list[Response]:
    """The responses of a chain; those of other models as they are."""
    events = [response["EVENT"] for response in responses if "EVENT" in response]
    for results in (event["results"] for event in events if "results" in event):
        results.sort(key=_of_stage)
    if not any("stage" in event for event in events):
        return responses
    assert [event.pop("index") for event in events] == list(range(len(events)))
    for inner in (event.get(name) for event in events for name in ("event", "value")):
        if isinstance(inner, dict) and "index" in inner:
            inner["index"] = "*"
    placed = sorted(responses, key=lambda response: _place(response["EVENT"]))
    grouped = itertools.groupby((one for one in placed if _kind(one["EVENT"]) != "queued"), _piece)
    return [one for piece, several in grouped for one in _joined(piece, list(several))]


def _place(event: dict[str, Any]) -> tuple[bool, str, int]:
    return (event["type"] == "end", *_of_stage(event))


def _of_stage(event: dict[str, Any]) -> tuple[str, int]:
    return event.get("stage", ""), event.get("item", -1)


def _kind(event: dict[str, Any]) -> str | None:
    """Of what the called model told."""
    return event.get("event", {}).get("type")


def _piece(response: Response) -> tuple[str, str, int] | None:
    """What the response brings the next piece of: kind, stage and item; None where it stands for itself."""
    event = response["EVENT"]
    kind = _kind(event)
    return (kind, event["stage"], event.get("item", -1)) if kind in JOINED else None


def _joined(piece: tuple[str, str, int] | None, several: list[Response]) -> list[Response]:
    """One response, with what the last of the pieces tells."""
    if piece is None:
        return several
    return [{**several[-1], "PAYLOAD": JOINED[piece[0]]([one["PAYLOAD"] for one in several])}]


def _joined_sound(pieces: list[dict[str, Any]]) -> dict[str, Any]:
    samples = sum(piece["samples"] for piece in pieces)
    power = sum(piece["samples"] * level**2 / len(piece["levels"]) for piece in pieces for level in piece["levels"])
    return {"samples": samples, "levels": [round(math.sqrt(power / samples))]}


JOINED: dict[str | None, Callable[[list[Any]], Any]] = {"text": "".join, "audio": _joined_sound}
