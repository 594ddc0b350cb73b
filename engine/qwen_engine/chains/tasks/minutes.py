"""Minutes as the chat model writes them, and the charts that can be drawn of them.

Minutes: {"title", "decisions": [{"text"}], "actions": [{"task", "owner", "due"}], "dates": [{"date", "event"}]}.
"""

import json
import re
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

from qwen_engine.chains.tasks.chart_fields import Chart, distinct, fitting, name, note
from qwen_engine.chains.tasks.days import read_day
from qwen_engine.chains.tasks.json_types import Action, DatedMinutes, Minutes, SpokenLine, Titled
from qwen_wire.charts import (
    FIRST_DAY,
    LAST_DAY,
    MAX_EVENTS,
    MAX_PEOPLE,
    MAX_SPAN_DAYS,
    MAX_TASKS,
    MAX_TIME_S,
)
from qwen_wire.errors import InvalidRequest
from qwen_wire.json_text import cut

MAX_CHARS = 120  # of a name or note
CHARS_A_WORD = 2
MAX_COMPARISONS = 50_000_000
MIN_LIKENESS = 0.6  # of an entry's words, in the line it was made from
_WORD = re.compile(r"[^\W\d_]+|\d+")
_CJK_CHAR = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]")
_AND = re.compile(r"[,、，&/和と]|\band\b")


def meeting_day(day: str) -> str:
    """The day of a meeting as an ISO date; empty: today's."""
    return (_read_iso(day) if day else date.today()).isoformat()


def _read_iso(day: str) -> date:
    """Raises `InvalidRequest` where that is no day, or none that charts go to."""
    try:
        read = date.fromisoformat(day)
    except ValueError:
        raise InvalidRequest(f"date is {cut(day)!r}; give an ISO date such as 2026-11-25, or none for today") from None
    if not FIRST_DAY <= read <= LAST_DAY:
        raise InvalidRequest(f"date is {read.isoformat()}; allowed: {FIRST_DAY.isoformat()} to {LAST_DAY.isoformat()}")
    return read


def meeting_minutes(parts: Sequence[Minutes], day: str) -> dict[str, Any]:
    """The minutes of a meeting from those of its parts: what several of them say is said once, and days have dates.

    Each action has a `due_date`, each date an `on`: the ISO date that its words name when said on `day`, or null.
    """
    minutes, today = _merged(parts), _read_iso(day)
    return {
        **minutes,
        "actions": [{**action, "due_date": _iso(action["due"], today, deadline=True)} for action in minutes["actions"]],
        "dates": [{**entry, "on": _iso(entry["date"], today)} for entry in minutes["dates"]],
    }


def _merged(parts: Sequence[Minutes]) -> dict[str, Any]:
    title = next((part["title"] for part in parts if part["title"]), "")
    return {
        "title": title,
        "decisions": _once(entry for part in parts for entry in part["decisions"]),
        "actions": _once(entry for part in parts for entry in part["actions"]),
        "dates": _once(entry for part in parts for entry in part["dates"]),
    }


def _once(entries: Iterable[Any]) -> list[Any]:
    return list({json.dumps(entry, sort_keys=True): entry for entry in entries}.values())


def minutes_charts(
    minutes: DatedMinutes, lines: Sequence[SpokenLine], speakers: Sequence[str], day: str
) -> dict[str, Chart | None]:
    """The charts of the minutes of `day`, by name; null where there is nothing to draw.

    `timeline`: when each decision, action and date was said, at the line of the transcript that has most of its words.
    `responsibilities`: whose task is whose; who else spoke is informed. `gantt`: the actions as bars from `day` to
    their due date, the dates as milestones. What is more than a chart holds is left out at its end, and days that are
    further away than a chart reaches.

    Raises:
        InvalidRequest: `day` is none, or there is too much to compare entries with lines.
    """
    return {
        "timeline": _timeline(minutes, lines),
        "responsibilities": _responsibilities(minutes, speakers),
        "gantt": _gantt(minutes, _read_iso(day)),
    }


def _timeline(minutes: DatedMinutes, lines: Sequence[SpokenLine]) -> Chart | None:
    entries = [*_decisions(minutes), *_actions(minutes), *_dates(minutes)]
    said = [_words(f"{line['speaker']} {line['text']}") for line in lines]
    _check_comparisons([text for _, text in entries], len(said))
    events: list[dict[str, Any]] = [
        {"time_s": line["start_s"], "label": _name(label), "detail": _name(f"{line['speaker']}: {line['text']}")}
        for label, text in entries
        if (line := _source(_words(text), lines, said)) is not None and line["start_s"] <= MAX_TIME_S
    ]
    events.sort(key=lambda event: event["time_s"])
    return fitting({"type": "timeline", "title": _short(minutes["title"]), "events": events[:MAX_EVENTS]}, "events")


def _check_comparisons(entries: Sequence[str], num_lines: int) -> None:
    """Each word of an entry is looked for in every line."""
    num_words = sum(map(len, entries)) // CHARS_A_WORD
    if num_words * num_lines > MAX_COMPARISONS:
        raise InvalidRequest(
            f"minutes of {len(entries)} entries (some {num_words} words) are too much to find in {num_lines} lines; "
            f"the limit is {MAX_COMPARISONS} words times lines"
        )


def _responsibilities(minutes: DatedMinutes, speakers: Sequence[str]) -> Chart | None:
    owners = [owner for action in minutes["actions"] for owner in _people(action["owner"])]
    people = list(dict.fromkeys(map(_name, (*owners, *speakers))))[:MAX_PEOPLE]
    actions = minutes["actions"][:MAX_TASKS]
    tasks = [
        {"name": task, "roles": _roles(_people(action["owner"]), people)}
        for task, action in zip(_task_names(actions), actions, strict=True)
    ]
    chart: Chart = {"type": "responsibility_matrix", "title": _short(minutes["title"])}
    return fitting({**chart, "people": people, "tasks": tasks}, "tasks") if owners else None


def _gantt(minutes: DatedMinutes, day: date) -> Chart | None:
    today = day.isoformat()
    bars = [
        (action["task"], {"start": min(today, due), "end": due, "owner": _short(action["owner"])})
        for action in minutes["actions"]
        if (due := _charted(action["due_date"], day))
    ]
    points = [(entry["event"], {"start": on}) for entry in minutes["dates"] if (on := _charted(entry["on"], day))]
    dated = [*bars, *points][:MAX_TASKS]
    names = distinct((text for text, _ in dated), MAX_CHARS)
    tasks = [{"name": one, **task} for one, (_, task) in zip(names, dated, strict=True)]
    return fitting({"type": "gantt", "title": _short(minutes["title"]), "tasks": tasks, "today": today}, "tasks")


def _charted(iso: str | None, today: date) -> str | None:
    """The day, if a chart that begins or ends `today` reaches to it, on either side alike."""
    if iso is None:
        return None
    day = _read_iso(iso)
    return iso if abs(day - today).days <= MAX_SPAN_DAYS // 2 else None


def illustration_prompt(minutes: Titled, wish: str) -> str:
    """What to draw beside the minutes: what is wished for, else the meeting's title."""
    return wish or f"A friendly flat illustration: {minutes['title']}"


def _decisions(minutes: DatedMinutes) -> Iterable[tuple[str, str]]:
    """Label on the chart, and the words to look for."""
    return ((entry["text"], entry["text"]) for entry in minutes["decisions"])


def _actions(minutes: DatedMinutes) -> Iterable[tuple[str, str]]:
    names = zip(_task_names(minutes["actions"]), minutes["actions"], strict=True)
    return (
        (f"{task} ({action['owner']})", f"{action['task']} {action['owner']} {action['due']}") for task, action in names
    )


def _dates(minutes: DatedMinutes) -> Iterable[tuple[str, str]]:
    return ((f"{entry['event']}: {entry['date']}", f"{entry['event']} {entry['date']}") for entry in minutes["dates"])


def _source(wanted: set[str], lines: Sequence[SpokenLine], said: Sequence[set[str]]) -> SpokenLine | None:
    """The first line that has most of the words `wanted`; None where none has enough of them."""
    likeness = [len(wanted & words) for words in said]
    best = max(likeness, default=0)
    return lines[likeness.index(best)] if best and best >= MIN_LIKENESS * len(wanted) else None


def _words(text: str) -> set[str]:
    """Of scripts without spaces, the characters."""
    return {*_CJK_CHAR.findall(text), *_WORD.findall(_CJK_CHAR.sub(" ", text.casefold()))}


def _task_names(actions: Sequence[Action]) -> list[str]:
    return distinct((action["task"] for action in actions), MAX_CHARS)


def _people(owner: str) -> list[str]:
    return [name for name in map(str.strip, _AND.split(owner)) if name]


def _roles(owners: Sequence[str], people: Sequence[str]) -> dict[str, str]:
    responsible = set(map(_name, owners))
    return {person: "R" if person in responsible else "I" for person in people}


def _name(text: str) -> str:
    return name(text, MAX_CHARS)


def _short(text: str) -> str:
    return note(text, MAX_CHARS)


def _iso(words: str, today: date, *, deadline: bool = False) -> str | None:
    day = read_day(words, today, deadline=deadline)
    return None if day is None else day.isoformat()
