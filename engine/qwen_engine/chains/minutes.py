"""Minutes as the chat model writes them, and the charts that can be drawn of them.

Minutes: {"title", "decisions": [{"text"}], "actions": [{"task", "owner", "due"}], "dates": [{"date", "event"}]}.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

from qwen_engine.chains.days import read_day
from qwen_engine.errors import InvalidRequest

Minutes = Mapping[str, Any]
Chart = dict[str, Any]
MAX_EVENTS, MAX_TASKS, MAX_PEOPLE = 60, 100, 24  # of CHART
MAX_CHART_BYTES = 30_000
MAX_NAME_CHARS = 120
MIN_LIKENESS = 0.6  # of an entry's words, in the line it was made from
LISTS = ("decisions", "actions", "dates")
_WORD = re.compile(r"[^\W\d_]+|\d+")
_CJK_CHAR = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]")
_AND = re.compile(r"\s*(?:,|、|，|&|/|\band\b|和|と)\s*")


def meeting_day(day: str) -> str:
    """The day of a meeting as an ISO date; empty: today's."""
    try:
        return (date.fromisoformat(day) if day else date.today()).isoformat()
    except ValueError:
        raise InvalidRequest(f"date is {day!r}; give an ISO date such as 2026-11-25, or none for today") from None


def meeting_minutes(parts: Sequence[Minutes], day: str) -> dict[str, Any]:
    """The minutes of a meeting from those of its parts: what several of them say is said once, and days have dates.

    Each action has a `due_date`, each date an `on`: the ISO date that its words name when said on `day`, or null.
    """
    minutes, today = _merged(parts), date.fromisoformat(day)
    return {
        **minutes,
        "actions": [{**action, "due_date": _iso(action["due"], today)} for action in minutes["actions"]],
        "dates": [{**entry, "on": _iso(entry["date"], today)} for entry in minutes["dates"]],
    }


def _merged(parts: Sequence[Minutes]) -> dict[str, Any]:
    merged: dict[str, Any] = {"title": next((part["title"] for part in parts if part["title"]), "")}
    for name in LISTS:
        entries = {json.dumps(entry, sort_keys=True): entry for part in parts for entry in part[name]}
        merged[name] = list(entries.values())
    return merged


def minutes_charts(
    minutes: Minutes, lines: Sequence[Mapping[str, Any]], speakers: Sequence[str], day: str
) -> dict[str, Chart | None]:
    """The charts of the minutes of `day`, by name; null where there is nothing to draw.

    `timeline`: when each decision, action and date was said, at the line of the transcript that has most of its words.
    `responsibilities`: whose task is whose; who else spoke is informed. `gantt`: the actions as bars from `day` to
    their due date, the dates as milestones. What is more than a chart holds is left out at its end.
    """
    return {
        "timeline": _timeline(minutes, lines),
        "responsibilities": _responsibilities(minutes, speakers),
        "gantt": _gantt(minutes, day),
    }


def _timeline(minutes: Minutes, lines: Sequence[Mapping[str, Any]]) -> Chart | None:
    entries = [*_decisions(minutes), *_actions(minutes), *_dates(minutes)]
    said = [_words(f"{line['speaker']} {line['text']}") for line in lines]
    events = [
        {"time_s": line["start_s"], "label": _name(label), "detail": _name(f"{line['speaker']}: {line['text']}")}
        for label, text in entries
        if (line := _source(_words(text), lines, said)) is not None
    ]
    events.sort(key=lambda event: event["time_s"])
    return _fitting({"type": "timeline", "title": _short(minutes["title"]), "events": events[:MAX_EVENTS]}, "events")


def _responsibilities(minutes: Minutes, speakers: Sequence[str]) -> Chart | None:
    owners = [owner for action in minutes["actions"] for owner in _people(action["owner"])]
    people = list(dict.fromkeys(map(_name, (*owners, *speakers))))[:MAX_PEOPLE]
    tasks = [
        {"name": name, "roles": _roles(_people(action["owner"]), people)}
        for name, action in zip(_task_names(minutes["actions"]), minutes["actions"], strict=True)
    ]
    chart: Chart = {"type": "responsibility_matrix", "title": _short(minutes["title"])}
    return _fitting({**chart, "people": people, "tasks": tasks[:MAX_TASKS]}, "tasks") if owners else None


def _gantt(minutes: Minutes, day: str) -> Chart | None:
    dated = [action for action in minutes["actions"] if action["due_date"]]
    milestones = [entry for entry in minutes["dates"] if entry["on"]]
    bars = [
        {"start": min(day, action["due_date"]), "end": action["due_date"], "owner": _short(action["owner"])}
        for action in dated
    ]
    points = [{"start": entry["on"]} for entry in milestones]
    names = _distinct([*(action["task"] for action in dated), *(entry["event"] for entry in milestones)])
    tasks = [{"name": name, **task} for name, task in zip(names, [*bars, *points], strict=True)][:MAX_TASKS]
    return _fitting({"type": "gantt", "title": _short(minutes["title"]), "tasks": tasks, "today": day}, "tasks")


def illustration_prompt(minutes: Minutes, wish: str) -> str:
    """What to draw beside the minutes: what is wished for, else the meeting's title."""
    return wish or f"A friendly flat illustration: {minutes['title']}"


def _decisions(minutes: Minutes) -> Iterable[tuple[str, str]]:
    """Label on the chart, and the words to look for."""
    return ((entry["text"], entry["text"]) for entry in minutes["decisions"])


def _actions(minutes: Minutes) -> Iterable[tuple[str, str]]:
    names = zip(_task_names(minutes["actions"]), minutes["actions"], strict=True)
    return (
        (f"{name} ({action['owner']})", f"{action['task']} {action['owner']} {action['due']}") for name, action in names
    )


def _dates(minutes: Minutes) -> Iterable[tuple[str, str]]:
    return ((f"{entry['event']}: {entry['date']}", f"{entry['event']} {entry['date']}") for entry in minutes["dates"])


def _source(wanted: set[str], lines: Sequence[Mapping[str, Any]], said: Sequence[set[str]]) -> Mapping[str, Any] | None:
    """The first line that has most of the words `wanted`; None where none has enough of them."""
    likeness = [len(wanted & words) for words in said]
    best = max(likeness, default=0)
    return lines[likeness.index(best)] if best and best >= MIN_LIKENESS * len(wanted) else None


def _words(text: str) -> set[str]:
    """Of scripts without spaces, the characters."""
    return {*_CJK_CHAR.findall(text), *_WORD.findall(_CJK_CHAR.sub(" ", text.casefold()))}


def _task_names(actions: Sequence[Mapping[str, Any]]) -> list[str]:
    return _distinct([action["task"] for action in actions])


def _distinct(names: Sequence[str]) -> list[str]:
    """Names that a chart tells apart: the second one alike has a 2."""
    seen: dict[str, int] = {}
    distinct = []
    for name in map(_name, names):
        seen[name] = seen.get(name, 0) + 1
        distinct.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return distinct


def _people(owner: str) -> list[str]:
    return [name for name in map(str.strip, _AND.split(owner)) if name]


def _roles(owners: Sequence[str], people: Sequence[str]) -> dict[str, str]:
    responsible = set(map(_name, owners))
    return {person: "R" if person in responsible else "I" for person in people}


def _name(text: str) -> str:
    """A name on a chart, which must not be empty."""
    return _short(text) or "–"


def _short(text: str) -> str:
    return text.strip()[:MAX_NAME_CHARS]


def _iso(words: str, today: date) -> str | None:
    day = read_day(words, today)
    return None if day is None else day.isoformat()


def _fitting(chart: Chart, key: str) -> Chart | None:
    """The chart without the last of its `key` as long as it is too large; None where none of them is left."""
    entries = list(chart[key])
    while entries and len(json.dumps({**chart, key: entries}, ensure_ascii=False).encode()) > MAX_CHART_BYTES:
        entries.pop()
    return {**chart, key: entries} if entries else None
