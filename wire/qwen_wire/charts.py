"""CHART: what a chart shows, as typed JSON. A key that a chart does not know is refused by name."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from functools import partial
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails
from typing_extensions import Self

from qwen_wire.errors import InvalidRequest
from qwen_wire.json_text import cut, first_problem, place, read_json, shown
from qwen_wire.languages import CODES, NAMES, resolve_language

MAX_BYTES = 30_000  # of CHART: it fits into a JPEG's metadata
MAX_NAME_CHARS, MAX_NOTE_CHARS = 200, 400
MAX_EVENTS, MAX_TASKS, MAX_PEOPLE, MAX_CONCEPTS, MAX_LINKS = 60, 100, 24, 60, 120
MAX_TIME_S = 864_000
Language = Literal["en", "zh", "ja"]
Name = Annotated[str, StringConstraints(min_length=1, max_length=MAX_NAME_CHARS, strip_whitespace=True)]
Note = Annotated[str, StringConstraints(max_length=MAX_NOTE_CHARS, strip_whitespace=True)]
Roles = Annotated[str, StringConstraints(pattern=r"^[RACI]{1,2}$")]
Amount = Annotated[float, Field(ge=-1e12, le=1e12)]
FIRST_DAY, LAST_DAY = date(1000, 1, 1), date(8999, 12, 31)
Day = Annotated[date, Field(ge=FIRST_DAY, le=LAST_DAY)]
MAX_SPAN_DAYS = 36_525


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def _language_code(written: object) -> object:
    """What is no text is left for the type to refuse."""
    if not isinstance(written, str):
        return written
    try:
        name = resolve_language(written, "CHART.language", allowed=[NAMES[code] for code in get_args(Language)])
    except InvalidRequest as error:
        raise ValueError(str(error)) from None
    return name and CODES[name]


class ChartBase(Part):
    """What all charts have."""

    title: Note = ""
    language: Annotated[Language | None, BeforeValidator(_language_code)] = Field(
        None,
        description="of added words, such as names of months: English, Chinese or Japanese; null: by the script of the "
        "texts",
    )


class TimelineEvent(Part):
    """Something at a `date`, or `time_s` seconds after the beginning."""

    date_: Day | None = Field(None, alias="date", description="in all events of a timeline, or in none")
    time_s: float | None = Field(
        None, ge=0, le=MAX_TIME_S, description="seconds after the beginning, in place of `date`"
    )
    label: Name
    detail: Note = ""


class Timeline(ChartBase):
    type: Literal["timeline"]
    events: tuple[TimelineEvent, ...] = Field(min_length=1, max_length=MAX_EVENTS)

    @model_validator(mode="after")
    def _events_are_all_dated_or_all_timed(self) -> Self:
        for number, event in enumerate(self.events):
            if (event.date_ is None) == (event.time_s is None):
                raise ValueError(f"CHART.events.{number} has {_both(event)}; give it one of them")
        if len({event.date_ is None for event in self.events}) == 2:
            raise ValueError("CHART.events has some with date and some with time_s; give all of them the same")
        _check_span("CHART.events", [event.date_ for event in self.events if event.date_])
        return self


class MatrixTask(Part):
    name: Name
    roles: dict[Name, Roles] = Field(description="by person: R responsible, A accountable, C consulted, I informed")


class ResponsibilityMatrix(ChartBase):
    type: Literal["responsibility_matrix"]
    people: tuple[Name, ...] = Field(min_length=1, max_length=MAX_PEOPLE)
    tasks: tuple[MatrixTask, ...] = Field(min_length=1, max_length=MAX_TASKS)

    @model_validator(mode="after")
    def _people_are_known(self) -> Self:
        _check_distinct("CHART.people", self.people)
        for number, task in enumerate(self.tasks):
            _check_known(f"CHART.tasks.{number}.roles", task.roles, self.people)
        return self


class GanttTask(Part):
    """From `start` through `end`, both included; without `end` a milestone. `after`: names of tasks it waits for."""

    name: Name
    start: Day = Field(description="the first day")
    end: Day | None = Field(None, description="the last day; null: a milestone")
    owner: Note = Field("", description="gives the colour")
    progress: float | None = Field(None, ge=0, le=1)
    after: tuple[Name, ...] = Field((), max_length=20, strict=False, description="names of tasks that it waits for")


class Gantt(ChartBase):
    type: Literal["gantt"]
    tasks: tuple[GanttTask, ...] = Field(min_length=1, max_length=MAX_TASKS)
    today: Day | None = Field(None, description="where a line stands; no clock is read")

    @model_validator(mode="after")
    def _tasks_fit_together(self) -> Self:
        names = [task.name for task in self.tasks]
        _check_distinct("CHART.tasks", names)
        for number, task in enumerate(self.tasks):
            _check_known(f"CHART.tasks.{number}.after", task.after, [name for name in names if name != task.name])
            if task.end and task.end < task.start:
                raise ValueError(f"CHART.tasks.{number}.end is {task.end}, before its start {task.start}")
        dates = [day for task in self.tasks for day in (task.start, task.end) if day]
        _check_span("CHART", [*dates, self.today] if self.today else dates)
        return self


class BarSeries(Part):
    name: Name
    values: tuple[Amount | None, ...] = Field(description="one for each category; null: no bar")


class BarChart(ChartBase):
    type: Literal["bar"]
    categories: tuple[Name, ...] = Field(min_length=1, max_length=60)
    series: tuple[BarSeries, ...] = Field(min_length=1, max_length=8)
    unit: Note = Field("", description="of the values")

    @model_validator(mode="after")
    def _every_category_has_its_values(self) -> Self:
        _check_distinct("CHART.series", [series.name for series in self.series])
        for number, series in enumerate(self.series):
            if len(series.values) != len(self.categories):
                raise ValueError(
                    f"CHART.series.{number}.values has {len(series.values)} values "
                    f"for {len(self.categories)} categories; give one for each, or null"
                )
        return self


class Concept(Part):
    name: Name
    detail: Note = ""


class Link(Part):
    source: Name = Field(description="name of a concept")
    target: Name = Field(description="name of another concept")
    label: Note = ""


class ConceptGraph(ChartBase):
    type: Literal["concept_graph"]
    concepts: tuple[Concept, ...] = Field(min_length=1, max_length=MAX_CONCEPTS)
    links: tuple[Link, ...] = Field((), max_length=MAX_LINKS)

    @model_validator(mode="after")
    def _links_join_concepts(self) -> Self:
        names = [concept.name for concept in self.concepts]
        _check_distinct("CHART.concepts", names)
        for number, link in enumerate(self.links):
            _check_known(f"CHART.links.{number}", [link.source, link.target], names)
            if link.source == link.target:
                raise ValueError(f"CHART.links.{number} joins {link.source!r} to itself; give it two concepts")
        return self


AnyChart = Timeline | ResponsibilityMatrix | Gantt | BarChart | ConceptGraph
CHARTS: dict[str, type[AnyChart]] = {
    "timeline": Timeline,
    "responsibility_matrix": ResponsibilityMatrix,
    "gantt": Gantt,
    "bar": BarChart,
    "concept_graph": ConceptGraph,
}


def parse_chart(payload: bytes) -> AnyChart:
    """Read a CHART tensor.

    Raises:
        InvalidRequest: no JSON object, no known type, or a field that is unknown, of the wrong type or out of range.
    """
    schema = _schema(read_json(payload, "CHART"))
    with _explaining(schema):
        return schema.model_validate_json(payload)


def make_chart(**fields: Any) -> AnyChart:
    """The chart with these fields, such as `type="gantt"`; raises as `parse_chart` does."""
    schema = _schema(fields)
    with _explaining(schema):
        return schema.model_validate(fields)


def _schema(fields: Any) -> type[AnyChart]:
    if not isinstance(fields, dict):
        raise InvalidRequest('CHART is not a JSON object such as {"type": "gantt", ...}')
    kind = fields.get("type")
    schema = CHARTS.get(kind) if isinstance(kind, str) else None
    if schema is None:
        raise InvalidRequest(f"CHART.type is {shown(kind)}; allowed: {', '.join(CHARTS)}")
    return schema


@contextmanager
def _explaining(schema: type[Part]) -> Iterator[None]:
    try:
        yield
    except ValidationError as error:
        raise InvalidRequest(first_problem(_causes(error), partial(_explain, schema))) from None


def _causes(error: ValidationError) -> list[ErrorDetails]:
    """Without lists that are found too short only because of what is wrong with their items."""
    problems = error.errors(include_url=False)
    return [problem for problem in problems if not (problem["type"] == "too_short" and problem["input"])]


def _explain(schema: type[Part], problem: ErrorDetails) -> str:
    field = f"CHART.{place(problem)}"
    if problem["type"] == "extra_forbidden":
        return f"{field} is unknown; allowed: {', '.join(_known_fields(schema, problem['loc'][:-1]))}"
    if problem["type"] == "value_error":  # of fields that do not go together; the message names them
        return str(problem["ctx"]["error"])
    if problem["type"] == "missing":
        return f"{field} is missing"
    return f"{field} is {shown(problem['input'])}: {problem['msg']}"


def _known_fields(schema: type[Part], path: Sequence[str | int]) -> list[str]:
    """The fields of the part that `path` leads to."""
    for step in path:
        if isinstance(step, str):
            schema = next(one for one in get_args(schema.model_fields[step].annotation) if one is not Ellipsis)
    return [info.alias or name for name, info in schema.model_fields.items()]


def _both(event: TimelineEvent) -> str:
    return "neither date nor time_s" if event.date_ is None else "both date and time_s"


def _check_distinct(field: str, names: Sequence[str]) -> None:
    name, count = Counter(names).most_common(1)[0]
    if count > 1:
        raise ValueError(f"{field} has {shown(name)} {count} times; give each a name of its own")


def _check_known(field: str, names: Sequence[str] | Mapping[str, str], known: Sequence[str]) -> None:
    for name in names:
        if name not in known:
            raise ValueError(f"{field} names {shown(name)}; allowed: {cut(', '.join(known), 400) or 'none'}")


def _check_span(field: str, dates: Sequence[date]) -> None:
    if dates and (max(dates) - min(dates)).days > MAX_SPAN_DAYS:
        raise ValueError(f"{field} reaches from {min(dates)} to {max(dates)}; the limit is {MAX_SPAN_DAYS} days")
