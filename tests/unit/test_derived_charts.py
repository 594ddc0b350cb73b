"""What chains derive for a chart is what a chart can draw, whatever the chat model writes."""

from datetime import date
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qwen_engine.chains.tasks.lessons import concept_charts
from qwen_engine.chains.tasks.minutes import meeting_minutes, minutes_charts
from qwen_engine.chains.workflow.references import json_of
from qwen_engine.charts.answer import read_request
from qwen_engine.charts.engine import ChartEngine
from qwen_engine.charts.settings import ChartSettings
from qwen_wire.charts import FIRST_DAY, LAST_DAY, AnyChart
from qwen_wire.options import ChartOptions

Json = dict[str, Any]
DAY = date(2026, 11, 25)
SETTINGS = ChartSettings()
ODD = [
    "", " ", "\x1f", "–", "a", "a (2)", "a (3)", "\u200b", "👨‍👩‍👧‍👦", "🇩🇪" * 60, "e\u0301" * 90,
    "a" + "\u0301" * 300, "天" * 500, "x" * 199 + " y", "x" * 199, "x" * 119 + " y", "x" * 119,
    "\x01" * 300, '"\\' * 200, "2200-01-01", "Friday", "月底",
]  # fmt: skip
TEXTS = st.one_of(st.sampled_from(ODD), st.text(max_size=30), st.text(min_size=100, max_size=500))
DAYS = st.one_of(
    st.sampled_from(["2200-01-01", "1000-01-01", "8999-12-31", "today", "Friday", "in 999 years", "December 5", ""]),
    st.dates(FIRST_DAY, LAST_DAY).map(date.isoformat),
    TEXTS,
)


def few(values: st.SearchStrategy[Any], most: int, least: int = 0) -> st.SearchStrategy[list[Any]]:
    return st.lists(values, min_size=least, max_size=most)


SLIDES = st.fixed_dictionaries({"title": TEXTS, "text": TEXTS, "key_terms": few(TEXTS, 8, 1)})
LINKS = st.fixed_dictionaries({"from": TEXTS, "to": TEXTS, "label": TEXTS})
LESSONS = st.fixed_dictionaries({"title": TEXTS, "slides": few(SLIDES, 16, 1), "links": few(LINKS, 48)})
ACTIONS = st.fixed_dictionaries({"task": TEXTS, "owner": TEXTS, "due": DAYS})
MINUTES = st.fixed_dictionaries({
    "title": TEXTS,
    "decisions": few(st.fixed_dictionaries({"text": TEXTS}), 64),
    "actions": few(ACTIONS, 64),
    "dates": few(st.fixed_dictionaries({"date": DAYS, "event": TEXTS}), 64),
})  # fmt: skip
LINES = few(st.fixed_dictionaries({"start_s": st.floats(0, 1e7), "speaker": TEXTS, "text": TEXTS}), 20)


@pytest.fixture(scope="module")
def engine() -> ChartEngine:
    return ChartEngine(SETTINGS)


def drawn(engine: ChartEngine, chart: Json) -> AnyChart:
    """The chart as `chart_image` reads what the chain sends; laid out without a refusal."""
    request = read_request(json_of(chart, "CHART").encode(), ChartOptions(), SETTINGS)
    engine.compose(request)
    return request.chart


def lesson(terms: list[str], links: list[tuple[str, str]], label: str = "leads to") -> Json:
    slides = [{"title": "t", "text": "x", "key_terms": terms[start : start + 8]} for start in range(0, len(terms), 8)]
    joined = [{"from": start, "to": end, "label": label} for start, end in links]
    return {"title": "A lesson", "slides": slides or [{"title": "t", "text": "x", "key_terms": [""]}], "links": joined}


def row(terms: list[str]) -> Json:
    return lesson(terms, list(pairwise(terms)))


def minutes(count: int, text: str, due: str) -> Json:
    return {
        "title": text,
        "decisions": [{"text": text}] * count,
        "actions": [{"task": text, "owner": f"{number} {text}", "due": due} for number in range(count)],
        "dates": [{"date": due, "event": f"{number} {text}"} for number in range(count)],
    }


def charts(told: list[Json], lines: list[Json], speakers: list[str], day: date) -> list[Json]:
    dated = meeting_minutes(told, day.isoformat())
    derived = minutes_charts(dated, lines, speakers, day.isoformat())
    return [chart for chart in derived.values() if chart is not None]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(LESSONS)
def test_any_lesson_has_a_graph(engine: ChartEngine, told: Json) -> None:
    [chart] = concept_charts({"en": told})
    drawn(engine, chart)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(few(MINUTES, 3), LINES, few(TEXTS, 30), st.dates(FIRST_DAY, LAST_DAY))
def test_any_minutes_have_charts(
    engine: ChartEngine, told: list[Json], lines: list[Json], speakers: list[str], day: date
) -> None:
    for chart in charts(told, lines, speakers, day):
        drawn(engine, chart)


TERMS = {
    "short": [f"term {number}" for number in range(60)],
    "long": [f"{'the law of the conservation of energy ' * 9}{number}" for number in range(60)],
    "Chinese": [f"{'能量守恒定律' * 40}{number}" for number in range(60)],
    "alike in the end": [f"{number}{'🇩🇪' * 150}" for number in range(60)],
}


@pytest.mark.parametrize("kind", TERMS)
@pytest.mark.parametrize("count", [1, 2, 8, 9, 10, 26, 27, 60])
def test_terms_in_a_row_are_all_drawn_and_joined(engine: ChartEngine, kind: str, count: int) -> None:
    [chart] = concept_charts({"en": row(TERMS[kind][:count])})
    graph = drawn(engine, chart)
    assert graph.type == "concept_graph"
    assert len(graph.concepts) == count
    assert [(link.source, link.target) for link in graph.links] == [
        (one.name, other.name) for one, other in pairwise(graph.concepts)
    ]


@pytest.mark.parametrize("shape", ["ring", "star", "all with all", "twice", "more than a chart holds"])
def test_links_of_any_shape_are_drawn(engine: ChartEngine, shape: str) -> None:
    terms = TERMS["short"]
    ring = list(zip(terms, [*terms[1:], terms[0]], strict=True))
    links = {
        "ring": ring,
        "star": [(terms[0], term) for term in terms],
        "all with all": [(one, other) for one in terms for other in terms],
        "twice": [*ring[:20], *ring[:20]],
        "more than a chart holds": [(f"{number}", f"{number + 1}") for number in range(5000)],
    }[shape]
    [chart] = concept_charts({"en": lesson(terms, links)})
    drawn(engine, chart)


def test_a_lesson_without_terms_shows_its_title(engine: ChartEngine) -> None:
    [chart] = concept_charts({"en": lesson([], [("", " ")])})
    graph = drawn(engine, chart)
    assert graph.type == "concept_graph"
    assert [concept.name for concept in graph.concepts] == ["A lesson"]


@pytest.mark.parametrize("due", ["2200-01-01", "today", "8999-12-31", "1976-01-01", "in 40 years", "every day"])
@pytest.mark.parametrize("text", ODD)
@pytest.mark.parametrize("count", [1, 200])
def test_minutes_of_odd_texts_are_drawn(engine: ChartEngine, due: str, text: str, count: int) -> None:
    told = minutes(count, text, due)
    lines = [{"start_s": 1e6 * number, "speaker": text, "text": f"{number} {text}"} for number in range(3)]
    for day in (DAY, FIRST_DAY, LAST_DAY):
        for chart in charts([told], lines, [text] * 30, day) if day == DAY or count == 1 else ():
            drawn(engine, chart)


TASKS = ("a", "b", "a (2)", "a", "x" * 119 + " y", "x" * 120)


def test_tasks_with_a_number_of_their_own_keep_their_names_apart(engine: ChartEngine) -> None:
    told = {**minutes(0, "plan", ""), "actions": [
        {"task": task, "owner": f"Ben {number}", "due": "Friday"} for number, task in enumerate(TASKS)
    ]}  # fmt: skip
    matrix, gantt = (drawn(engine, chart) for chart in charts([told], [], [], DAY))
    assert matrix.type == "responsibility_matrix"
    assert gantt.type == "gantt"
    names = [task.name for task in matrix.tasks]
    assert names == [task.name for task in gantt.tasks] == ["a", "b", "a (2)", "a (3)", "x" * 119, "x" * 120]


def test_what_is_said_later_than_a_chart_reaches_is_left_out(engine: ChartEngine) -> None:
    told = minutes(1, "the plan", "")
    lines = [{"start_s": start_s, "speaker": "Anna", "text": "the plan"} for start_s in (864_001.0, 5.0)]
    assert [chart["type"] for chart in charts([told], lines[:1], [], DAY)] == ["responsibility_matrix"]
    timeline, _ = charts([told], lines[1:], [], DAY)
    assert timeline["events"][0]["time_s"] == 5.0
    assert drawn(engine, timeline)


@pytest.mark.parametrize("years", [-60, -51, -49, -1, 1, 49, 51, 174])
def test_a_due_date_is_a_bar_as_far_as_a_chart_reaches(engine: ChartEngine, years: int) -> None:
    due = DAY.replace(year=DAY.year + years, day=1)
    told = {**minutes(0, "plan", ""), "actions": [
        {"task": "a", "owner": "Ben", "due": due.isoformat()}, {"task": "b", "owner": "Ben", "due": "tomorrow"}
    ]}  # fmt: skip
    gantt = drawn(engine, charts([told], [], [], DAY)[-1])
    assert gantt.type == "gantt"
    assert [task.name for task in gantt.tasks] == (["a", "b"] if abs(years) < 50 else ["b"])
