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
from qwen_wire.charts import AnyChart, ChartBase, GanttTask, TimelineEvent, make_chart
from qwen_wire.errors import InvalidRequest
from qwen_wire.options import ChartOptions, PictureFormat
from qwen_wire.theme import ThemeName


@dataclass(frozen=True, repr=False)
class Chart(Picture):
    """A drawn chart. It is a `Picture` whose `prompt` is the title; `recipe.prompt` is the chart's JSON.

    `language`: of the words added to it. `not_drawn`: characters that no font there has; boxes stand for them.
    """

    kind: str = ""
    language: str = "en"
    not_drawn: str = ""


def draw(
    chart: AnyChart | Mapping[str, Any],
    *,
    width: int | None = None,
    height: int | None = None,
    scale: int = 1,
    theme: ThemeName = "light",
    format: PictureFormat = "png",
    quality: int | None = None,
    recipe: bool = True,
) -> UnaryJob[Chart]:
    """Draw any chart: one of `qwen_wire.charts`, or its JSON, as docs/wire-protocol.md describes them under CHART.

        client.charts.draw({"type": "bar", "categories": ["A"], "series": [{"name": "n", "values": [3]}]}).save("a.png")

    `width` pixels (None: the server's choice) and `height` (None: as high as it needs), each `scale` x `scale` in the
    picture. `quality`: of webp and jpeg. `recipe` False: the file does not hold the chart's JSON. The same chart gives
    the same file. Returns a `Chart`.
    """
    options = options_json(
        ChartOptions,
        width=width,
        height=height,
        scale=scale,
        theme=theme,
        format=format,
        quality=quality,
        recipe=recipe,
    )
    return UnaryJob("chart_image", {"CHART": _payload(chart), "OPTIONS": options}, _read)


def gantt(
    tasks: Iterable[GanttTask],
    *,
    title: str = "",
    today: date | None = None,
    language: str | None = None,
    **options: Any,
) -> UnaryJob[Chart]:
    """Draw tasks over days.

        design = GanttTask(name="Design", start=date(2026, 11, 2), end=date(2026, 11, 6), owner="Anna")
        client.charts.gantt([design], title="Plan")

    `today`: date of a marker line; None: no line. `language`: of the months' names, English, Chinese or
    Japanese; None: by the texts' script.
    `options` as for `draw`. Returns a `Chart`.
    """
    return draw(make_chart(type="gantt", title=title, tasks=tuple(tasks), today=today, language=language), **options)


def timeline(
    events: Iterable[TimelineEvent], *, title: str = "", language: str | None = None, **options: Any
) -> UnaryJob[Chart]:
    """Draw events along a line, all of them with dates or all with seconds.

        client.charts.timeline([TimelineEvent(time_s=0, label="Welcome"), TimelineEvent(time_s=95, label="Budget")])

    `language` and `options` as for `gantt`. Returns a `Chart`.
    """
    return draw(make_chart(type="timeline", title=title, events=tuple(events), language=language), **options)


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
    chart = make_chart(
        type="responsibility_matrix",
        title=title,
        people=tuple(people or dict.fromkeys(person for roles in tasks.values() for person in roles)),
        tasks=tuple({"name": name, "roles": dict(roles)} for name, roles in tasks.items()),
        language=language,
    )
    return draw(chart, **options)


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
    named = tuple({"name": name, "values": tuple(values)} for name, values in series.items())
    return draw(make_chart(type="bar", title=title, categories=tuple(categories), series=named, unit=unit), **options)


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
    joined = tuple({"source": source, "target": target, "label": label} for source, target, label in links)
    details = details or {}
    names = dict.fromkeys([*(link[end] for link in joined for end in ("source", "target")), *details])
    concepts = tuple({"name": name, "detail": details.get(name, "")} for name in names)
    return draw(make_chart(type="concept_graph", title=title, concepts=concepts, links=joined), **options)


def _payload(chart: AnyChart | Mapping[str, Any]) -> bytes:
    """Without what is the default anyway, so that equal charts are equal bytes."""
    if isinstance(chart, ChartBase):
        return chart.model_dump_json(by_alias=True, exclude_defaults=True).encode()
    return json_bytes(chart, "chart", _iso)


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
