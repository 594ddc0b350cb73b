"""Charts at the edges of what CHART may hold: drawn or refused, soon, whatever stands in them."""

import time
from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest
from chart_examples import payload

from qwen_engine.charts.answer import read_request
from qwen_engine.charts.engine import ChartEngine
from qwen_engine.charts.settings import ChartSettings
from qwen_wire.charts import CHARTS
from qwen_wire.errors import MAX_MESSAGE_BYTES, InvalidRequest
from qwen_wire.options import ChartOptions

SETTINGS = ChartSettings()
MAX_S = 30.0  # some 0.1 to 2 s on an idle machine; a hang is minutes
Fields = dict[str, Any]
NUMBERS = (1e308, -1e308, 1e12, -1e12, 5e-324, -5e-324, 2.2e-308, 1e-9, 1e-300, 0.0, -0.0, 1e15 + 0.3, 2.0**63)
WORDS = ("NaN", "nan", "Infinity", "-inf", "1e999", "", True, [], {}, None)
DAYS = ("1000-01-01", "8999-12-31", "0001-01-01", "9999-12-31", "2024-02-29", "2023-02-29", "2026-00-10", "-0001-01-01")
NAMES = (
    "x" * 200,
    "天" * 200,
    "word " * 39 + "end",
    "\u0301" * 200,
    "\u202e" * 200,
    "🙂" * 200,
    "-" * 200,
    "\n" * 199 + "a",
)
LONG = ("x" * 1_000_000, "天" * 300_000)


@pytest.fixture(scope="module")
def engine() -> ChartEngine:
    return ChartEngine(SETTINGS)


def bars(values: list[Any], categories: list[Any] | None = None, **more: Any) -> Fields:
    named = [str(place) for place in range(len(values))] if categories is None else categories
    return {"type": "bar", "categories": named, "series": [{"name": "s", "values": values}], **more}


def gantt(count: int, start: str, end: str | None, name: str = "", **more: Any) -> Fields:
    tasks = [
        {"name": f"{number}{name}"[:200], "start": start, "end": end, "progress": 5e-324} for number in range(count)
    ]
    for number, task in enumerate(tasks[1:]):
        task["after"] = [one["name"] for one in tasks[max(0, number - 2) : number + 1]]
    return {"type": "gantt", "tasks": tasks, **more}


def timeline(events: list[Fields]) -> Fields:
    return {"type": "timeline", "events": events}


def matrix(people: list[str], tasks: list[str]) -> Fields:
    rows = [{"name": name, "roles": dict.fromkeys(people, "RA")} for name in tasks]
    return {"type": "responsibility_matrix", "people": people, "tasks": rows}


def graph(count: int, num_links: int, name: str = "") -> Fields:
    names = [f"{number}{name}"[:200] for number in range(count)]
    pairs = [(place % count, (place * 7 + 1 + place // count) % count) for place in range(num_links)]
    links = [{"source": names[one], "target": names[other]} for one, other in pairs if one != other]
    return {"type": "concept_graph", "concepts": [{"name": one} for one in names], "links": links}


def extremes() -> Iterator[tuple[str, Fields]]:
    for one, other in product(NUMBERS, (0.0, 1.0, -1e12, 5e-324)):
        yield f"bars of {one:.3g} and {other}", bars([one, other])
    yield "bars of 1e400", bars([10**400, 1])
    for number in NUMBERS:
        yield f"events at {number:.3g}", timeline([{"label": "a", "time_s": 0.0}, {"label": "b", "time_s": number}])
        yield (
            f"progress {number:.3g}",
            {"type": "gantt", "tasks": [{"name": "a", "start": "2026-01-01", "progress": number}]},
        )
    for word in WORDS:
        yield f"bars of {word!r}", bars([word, 1])
        yield f"categories {word!r}", bars([1], [word])
        yield f"start {word!r}", {"type": "gantt", "tasks": [{"name": "a", "start": word}]}
    for first, last in product(DAYS, DAYS):
        yield f"gantt {first} {last}", gantt(1, first, last)
        yield f"timeline {first} {last}", timeline([{"date": day, "label": "a"} for day in (first, last)])
        yield f"today {first} {last}", gantt(1, first, None, today=last)
    for place, name in enumerate((*NAMES, *LONG)):
        yield f"title {place}", bars([1], title=name)
        yield f"unit {place}", bars([1], unit=name)
        yield f"categories {place}", bars([1] * 20, [f"{number}{name}"[: len(name)] for number in range(20)])
        yield f"people {place}", matrix([name, "b"], [name])
        yield f"tasks {place}", gantt(9, "2026-01-01", "2026-02-01", name, title=name)
        yield f"events {place}", timeline([{"date": "2026-01-01", "label": name, "detail": name}] * 9)
        yield f"concepts {place}", graph(9, 20, name)
    yield "a million categories", bars([1] * 1_000_000)
    yield "a million values", bars([1] * 1_000_000, ["a"])
    yield "all categories", bars([1e12 - 1] * 60)
    yield "all bars", {**bars([1] * 60), "series": [{"name": str(n), "values": [n] * 60} for n in range(8)]}
    yield "one day for all", timeline([{"date": "2026-01-01", "label": str(number)} for number in range(60)])
    yield "one moment for all", timeline([{"time_s": 864_000, "label": str(number)} for number in range(60)])
    yield "all of a century", timeline([{"date": f"{1900 + n}-01-01", "label": str(n)} for n in range(60)])
    yield "ten thousand years", gantt(1, "0001-01-01", "9999-12-31")
    yield "a century of tasks", gantt(100, "1900-01-01", "1999-12-31", today="1950-01-01")
    yield "a day of tasks", gantt(100, "8999-12-31", "8999-12-31")
    yield "all people", matrix([f"p{number}" for number in range(24)], [str(number) for number in range(100)])
    yield "all concepts", graph(60, 120)
    yield "a star", {**graph(60, 0), "links": [{"source": "0", "target": str(n)} for n in range(1, 60)] * 2}
    yield "a ring", {**graph(60, 0), "links": [{"source": str(n), "target": str((n + 1) % 60)} for n in range(60)] * 2}
    yield "no links", graph(60, 0)


EXTREMES = dict(extremes())
LARGEST = {
    "all bars",
    "all of a century",
    "a century of tasks",
    "a star",
    "categories 3",
    "events 3",
    "one day for all",
}


def settled(engine: ChartEngine, fields: Fields, **options: Any) -> str:
    """ "drawn", or the message of the refusal."""
    began_s = time.monotonic()
    try:
        picture = engine.draw(read_request(payload(fields), ChartOptions(**options), SETTINGS))
    except InvalidRequest as refusal:
        told = str(refusal)
        assert len(told.encode()) <= MAX_MESSAGE_BYTES
        assert told.startswith(("CHART", "OPTIONS", "the chart would have"))
    else:
        told = "drawn"
        assert picture.image.width * picture.image.height <= SETTINGS.max_pixels
    assert time.monotonic() - began_s < MAX_S
    return told


@pytest.mark.parametrize("name", EXTREMES)
def test_extremes_are_drawn_or_refused(engine, name):
    settled(engine, EXTREMES[name])


@pytest.mark.parametrize("name", sorted(LARGEST))
def test_the_largest_charts_are_drawn_on_the_widest_page_and_refused_beyond(engine, name):
    assert settled(engine, EXTREMES[name], width=4096) == "drawn"
    assert "the limit is 16000000" in settled(engine, EXTREMES[name], width=4096, scale=4)


@pytest.mark.parametrize("number", NUMBERS)
def test_numbers_within_the_range_are_drawn(engine, number):
    assert (settled(engine, bars([number, 1.0])) == "drawn") == (abs(number) <= 1e12)


@pytest.mark.parametrize(
    ("fields", "options", "size"),
    [
        (bars([1]), {"width": 4096, "height": 200, "scale": 4}, "16384 x 800"),
        (bars([1]), {"width": 240, "height": 8200, "scale": 2}, "480 x 16400"),
        (
            timeline([{"date": "2026-01-01", "label": "word " * 20, "detail": "word " * 20}] * 45),
            {"width": 240, "scale": 3},
            "720 x 18075",
        ),
    ],
)
def test_a_side_that_no_webp_can_have_is_refused(engine, fields, options, size):
    request = read_request(payload(fields), ChartOptions(format="webp", **options), SETTINGS)
    told = rf"the chart would have {size} pixels; no side may have more than 16383"
    with pytest.raises(InvalidRequest, match=told):
        (engine.prepare if request.height else engine.draw)(request)


def test_there_are_extremes_of_every_chart():
    assert {fields["type"] for fields in EXTREMES.values()} == set(CHARTS)
