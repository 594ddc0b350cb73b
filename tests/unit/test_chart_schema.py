"""CHART: what is wrong is named, with its value and what is allowed."""

import pytest
from chart_examples import CASES, EXAMPLES, payload

from qwen_engine.charts.answer import read_request
from qwen_engine.charts.labels import language_of
from qwen_engine.charts.settings import ChartSettings
from qwen_wire.charts import CHARTS, MAX_BYTES, parse_chart
from qwen_wire.errors import InvalidRequest
from qwen_wire.options import ChartOptions

TASK = {"name": "a", "start": "2026-01-01"}


@pytest.mark.parametrize(("language", "kind"), CASES)
def test_examples_are_charts(language, kind):
    chart = parse_chart(payload(EXAMPLES[language][kind]))
    assert type(chart) is CHARTS[kind]
    assert language_of(chart) == language


def test_there_is_an_example_of_every_chart():
    assert {kind for _, kind in CASES} == set(CHARTS)


@pytest.mark.parametrize(
    "broken", [b"", b"{", b"\xff", b'{"type": nan}', b"[" * 100_000, b'{"a":' * 100_000], ids=lambda text: str(text[:9])
)
def test_what_is_no_json_is_refused(broken):
    with pytest.raises(InvalidRequest, match="CHART is not JSON"):
        parse_chart(broken)


@pytest.mark.parametrize("number", ["NaN", "-Infinity", "1e999"])
def test_numbers_that_are_not_finite_are_refused_by_their_place(number):
    with pytest.raises(InvalidRequest, match=r"^CHART\.series\.0\.values\.1 is NaN, or a number that is too large$"):
        parse_chart(f'{{"type": "bar", "series": [{{"values": [1, {number}]}}]}}'.encode())


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ([], "CHART is not a JSON object"),
        ({}, r"CHART\.type is null; allowed: timeline, responsibility_matrix, gantt, bar, concept_graph"),
        ({"type": "pie"}, r'CHART\.type is "pie"; allowed: timeline'),
        ({"type": ["gantt"]}, r"CHART\.type is \[\"gantt\"\]; allowed"),
        ({"type": "gantt"}, r"CHART\.tasks is missing$"),
        ({"type": "gantt", "tasks": []}, r"CHART\.tasks is \[\]: .*at least 1 item"),
        ({"type": "gantt", "tasks": [TASK] * 101}, r"CHART\.tasks is .*at most 100 items"),
        (
            {"type": "gantt", "colour": "red", "tasks": [TASK]},
            r"CHART\.colour is unknown; allowed: title, language, type",
        ),
        (
            {"type": "gantt", "tasks": [{**TASK, "begin": 1}]},
            r"^CHART\.tasks\.0\.begin is unknown; allowed: name, start, end, owner, progress, after$",
        ),
        ({"type": "gantt", "tasks": [{**TASK, "start": "soon"}]}, r'^CHART\.tasks\.0\.start is "soon": .*YYYY-MM-DD'),
        ({"type": "gantt", "tasks": [{**TASK, "start": "0999-01-01"}]}, r"greater than or equal to 1000-01-01"),
        ({"type": "gantt", "tasks": [{**TASK, "start": 20260101}]}, r"CHART\.tasks\.0\.start is 20260101"),
        ({"type": "gantt", "tasks": [{**TASK, "end": "2025-12-31"}]}, r"tasks\.0\.end is 2025-12-31, before its start"),
        ({"type": "gantt", "tasks": [{**TASK, "progress": 1.5}]}, r"progress is 1\.5: .*less than or equal to 1"),
        ({"type": "gantt", "tasks": [TASK, TASK]}, r'CHART\.tasks has "a" 2 times'),
        ({"type": "gantt", "tasks": [{**TASK, "after": ["a"]}]}, r'tasks\.0\.after names "a"; allowed: none'),
        ({"type": "gantt", "tasks": [{**TASK, "name": " "}]}, r"CHART\.tasks\.0\.name is"),
        ({"type": "gantt", "tasks": [{**TASK, "name": "x" * 201}]}, r"at most 200 characters"),
        ({"type": "gantt", "tasks": [{**TASK, "end": "2500-01-01"}]}, r"CHART reaches from 2026-01-01 to 2500-01-01"),
        (
            {"type": "gantt", "language": "de", "tasks": [TASK]},
            r"CHART\.language is 'de'; allowed: auto, English \(en\), Chinese",
        ),
        ({"type": "timeline", "events": [{"label": "a"}]}, r"events\.0 has neither date nor time_s"),
        ({"type": "timeline", "events": [{"label": "a", "time_s": -1}]}, r"time_s is -1"),
        (
            {"type": "timeline", "events": [{"label": "a", "time_s": 1}, {"label": "b", "date": "2026-01-01"}]},
            r"CHART\.events has some with date and some with time_s",
        ),
        (
            {"type": "responsibility_matrix", "people": ["A"], "tasks": [{"name": "t", "roles": {"B": "R"}}]},
            r'CHART\.tasks\.0\.roles names "B"; allowed: A',
        ),
        (
            {"type": "responsibility_matrix", "people": ["A"], "tasks": [{"name": "t", "roles": {"A": "X"}}]},
            r'CHART\.tasks\.0\.roles\.A is "X"',
        ),
        (
            {"type": "bar", "categories": ["a"], "series": [{"name": "s", "values": [1, 2]}]},
            "has 2 values for 1 categor",
        ),
        ({"type": "bar", "categories": ["a"], "series": [{"name": "s", "values": [1e300]}]}, r"values\.0 is 1e\+300"),
        (
            {"type": "concept_graph", "concepts": [{"name": "a"}], "links": [{"source": "a", "target": "b"}]},
            'names "b"',
        ),
        (
            {"type": "concept_graph", "concepts": [{"name": "a"}], "links": [{"source": "a", "target": "a"}]},
            "to itself",
        ),
    ],
)
def test_a_bad_value_is_named_with_what_is_allowed(fields, message):
    with pytest.raises(InvalidRequest, match=message):
        parse_chart(payload(fields))


def test_a_long_chart_is_refused_before_it_is_read():
    with pytest.raises(InvalidRequest, match=r"CHART has 30001 bytes; the limit is 30000"):
        read_request(b"x" * (MAX_BYTES + 1), ChartOptions(), ChartSettings())
