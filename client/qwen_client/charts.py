"""Charts drawn from data, not generated: `client.charts`."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from qwen_client.jobs import UnaryJob
from qwen_client.messages import Answer, options_json
from qwen_client.pictures import Picture
from qwen_client.texts import json_bytes
from qwen_wire.answers import ChartResult
from qwen_wire.errors import InvalidRequest
from qwen_wire.options import ChartOptions, PictureFormat, Theme


@dataclass(frozen=True)
class Chart(Picture):
    """A drawn chart. It is a `Picture` whose `prompt` is the title; `recipe.prompt` is the chart's JSON.

    `language`: of the words added to it. `not_drawn`: characters that no font there has; boxes stand for them.
    """

    kind: str = ""
    language: str = "en"
    not_drawn: str = ""


@dataclass(frozen=True)
class GanttTask:
    """A bar of a Gantt chart from `start` through `end`, or, without `end`, a milestone.

    `after`: names of tasks that have to be done before. `progress`: 0 to 1.
    """

    name: str
    start: date
    end: date | None = None
    owner: str = ""
    progress: float | None = None
    after: Sequence[str] = ()


@dataclass(frozen=True)
class TimelineEvent:
    """Something that happens `at` a date, or so many seconds after the beginning."""

    at: date | float
    label: str
    detail: str = ""


def draw(
    chart: Mapping[str, Any],
    *,
    width: int | None = None,
    height: int | None = None,
    scale: int = 1,
    theme: Theme = "light",
    format: PictureFormat = "png",
    quality: int | None = None,
) -> UnaryJob[Chart]:
    """Draw any chart, as docs/wire-protocol.md describes them under CHART.

        client.charts.draw({"type": "bar", "categories": ["A"], "series": [{"name": "n", "values": [3]}]}).save("a.png")

    `width` pixels (None: the server's choice) and `height` (None: as high as it needs), each `scale` x `scale` in the
    picture. `quality`: of webp and jpeg. The same chart gives the same file. Returns a `Chart`.
    """
    options = options_json(
        ChartOptions,
        width=width,
        height=height,
        scale=scale,
        theme=theme,
        format=format,
        quality=quality,
    )
    payload = json_bytes(chart, "chart", _iso)
    return UnaryJob("chart_image", {"CHART": payload, "OPTIONS": options}, _read)


def gantt(
    tasks: Iterable[GanttTask],
    *,
    title: str = "",
    today: date | None = None,
    language: str | None = None,
    **options: Any,
) -> UnaryJob[Chart]:
    """Draw tasks over days.

        client.charts.gantt([GanttTask("Design", date(2026, 11, 2), date(2026, 11, 6), owner="Anna")], title="Plan")

    `today`: date of a marker line; None: no line. `language`: of the months' names, English, Chinese or
    Japanese; None: by the texts' script.
    `options` as for `draw`. Returns a `Chart`.
    """
    told = [_given(vars(task)) for task in tasks]
    return draw(
        _given({"type": "gantt", "title": title, "tasks": told, "today": today, "language": language}), **options
    )


def timeline(
    events: Iterable[TimelineEvent], *, title: str = "", language: str | None = None, **options: Any
) -> UnaryJob[Chart]:
    """Draw events along a line, all of them with dates or all with seconds.

        client.charts.timeline([TimelineEvent(0.0, "Welcome"), TimelineEvent(95.0, "Budget", "We agreed on the price")])

    `language` and `options` as for `gantt`. Returns a `Chart`.
    """
    told = [_given({_position(event): event.at, "label": event.label, "detail": event.detail}) for event in events]
    return draw(_given({"type": "timeline", "title": title, "events": told, "language": language}), **options)


def responsibility_matrix(
    tasks: Mapping[str, Mapping[str, str]],
    *,
    people: Sequence[str] | None = None,
    title: str = "",
    language: str | None = None,
    **options: Any,
) -> UnaryJob[Chart]:
    """Draw who does what: for each task the roles by person, of R, A, C and I one or two.

        client.charts.responsibility_matrix({"Send the report": {"Anna": "RA", "Ben": "I"}})

    `people`: the columns; None: everyone, in the order of appearance. `language` and `options` as for `gantt`.
    Returns a `Chart`.
    """
    everyone = list(people or dict.fromkeys(person for roles in tasks.values() for person in roles))
    told = [{"name": name, "roles": dict(roles)} for name, roles in tasks.items()]
    kind = "responsibility_matrix"
    return draw(
        _given({"type": kind, "title": title, "people": everyone, "tasks": told, "language": language}), **options
    )


def bars(
    series: Mapping[str, Sequence[float | None]],
    categories: Sequence[str],
    *,
    title: str = "",
    unit: str = "",
    **options: Any,
) -> UnaryJob[Chart]:
    """Draw values by category, side by side for each of the `series` (None: no bar).

        client.charts.bars({"Anna": [3, 5], "Ben": [4, None]}, ["Monday", "Tuesday"], unit="hours")

    `options` as for `draw`. Returns a `Chart`.
    """
    told = [{"name": name, "values": list(values)} for name, values in series.items()]
    chart = {"type": "bar", "title": title, "categories": list(categories), "series": told, "unit": unit}
    return draw(_given(chart), **options)


def concept_graph(
    links: Iterable[tuple[str, str, str]],
    *,
    details: Mapping[str, str] | None = None,
    title: str = "",
    **options: Any,
) -> UnaryJob[Chart]:
    """Draw how concepts hang together, by links of (source, target, label).

        client.charts.concept_graph([("light", "leaf", "falls on")], details={"light": "from the sun"})

    `details`: a line below a concept's name; concepts without links are named here. `options` as for `draw`.
    Returns a `Chart`.
    """
    told = [_given({"source": source, "target": target, "label": label}) for source, target, label in links]
    details = details or {}
    names = dict.fromkeys([*(link[end] for link in told for end in ("source", "target")), *details])
    concepts = [_given({"name": name, "detail": details.get(name, "")}) for name in names]
    return draw(_given({"type": "concept_graph", "title": title, "concepts": concepts, "links": told}), **options)


def _given(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is the default anyway, so that equal charts are equal bytes."""
    return {name: value for name, value in fields.items() if value is not None and value != "" and value != ()}


def _position(event: TimelineEvent) -> str:
    return "date" if isinstance(event.at, date) else "time_s"


def _iso(value: object) -> str:
    if isinstance(value, date):
        return value.isoformat()
    raise InvalidRequest(f"the chart holds {value!r}, which is not JSON: give text, numbers, dates, lists and dicts")


def _read(answer: Answer) -> Chart:
    result = answer.message(ChartResult, "RESULT")
    return Chart(
        data=answer.payload("IMAGE"),
        format=result.format,
        prompt=result.title,
        width=result.width,
        height=result.height,
        seed=0,
        picture=0,
        timings=result.timings,
        request_id=answer.request_id,
        kind=result.type,
        language=result.language,
        not_drawn=result.not_drawn,
    )
