"""`client.charts` and `qwen chart` against a scripted server."""

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from chart_examples import CASES, EXAMPLES
from command_line import assert_fails_on_one_line, qwen
from fake_triton import FakeTriton
from PIL import Image

from qwen_client import Chart, Client, GanttTask, InvalidRequest, Picture, TimelineEvent, charts
from qwen_client.jobs import UnaryJob
from qwen_wire.charts import parse_chart
from qwen_wire.options import ChartOptions, parse_options

LOOKS = {"width": 800, "height": 600, "scale": 2, "theme": "dark", "format": "webp", "quality": 80}
HELPERS: list[tuple[Callable[..., UnaryJob[Chart]], tuple[Any, ...], dict[str, Any], dict[str, Any]]] = [
    (
        charts.gantt,
        ([GanttTask(name="a", start=date(2026, 1, 1), end=date(2026, 1, 3), owner="Anna", progress=0.5),
          GanttTask(name="b", start=date(2026, 1, 4), after=("a",))],),
        {"title": "Plan", "today": date(2026, 1, 2), "language": "ja"},
        {"type": "gantt", "title": "Plan", "today": "2026-01-02", "language": "ja",
         "tasks": [{"name": "a", "start": "2026-01-01", "end": "2026-01-03", "owner": "Anna", "progress": 0.5},
                   {"name": "b", "start": "2026-01-04", "after": ["a"]}]},
    ),
    (
        charts.timeline,
        ([TimelineEvent(time_s=0.0, label="a"), TimelineEvent(time_s=9.5, label="b", detail="c")],),
        {"title": "Talk"},
        {"type": "timeline", "title": "Talk",
         "events": [{"time_s": 0.0, "label": "a"}, {"time_s": 9.5, "label": "b", "detail": "c"}]},
    ),
    (
        charts.timeline,
        ([TimelineEvent(date=date(2026, 1, 2), label="a")],),
        {},
        {"type": "timeline", "events": [{"date": "2026-01-02", "label": "a"}]},
    ),
    (
        charts.responsibility_matrix,
        ({"report": {"Anna": "RA", "Ben": "I"}, "call": {"Clara": "R"}},),
        {},
        {"type": "responsibility_matrix", "people": ["Anna", "Ben", "Clara"],
         "tasks": [{"name": "report", "roles": {"Anna": "RA", "Ben": "I"}}, {"name": "call", "roles": {"Clara": "R"}}]},
    ),
    (
        charts.bars,
        ({"Anna": [3, None]}, ["Monday", "Tuesday"]),
        {"unit": "hours"},
        {"type": "bar", "categories": ["Monday", "Tuesday"], "unit": "hours",
         "series": [{"name": "Anna", "values": [3, None]}]},
    ),
    (
        charts.concept_graph,
        ([("light", "leaf", "falls on"), ("leaf", "sugar", "")],),
        {"details": {"light": "of the sun", "soil": ""}},
        {"type": "concept_graph",
         "concepts": [{"name": "light", "detail": "of the sun"}, {"name": "leaf"}, {"name": "sugar"}, {"name": "soil"}],
         "links": [{"source": "light", "target": "leaf", "label": "falls on"}, {"source": "leaf", "target": "sugar"}]},
    ),
]  # fmt: skip


@pytest.mark.parametrize(("helper", "arguments", "options", "chart"), HELPERS)
def test_a_helper_makes_the_chart_and_passes_the_looks_on(
    helper: Callable[..., UnaryJob[Chart]], arguments: tuple[Any, ...], options: dict[str, Any], chart: dict[str, Any]
) -> None:
    job = helper(*arguments, **options, **LOOKS)

    assert json.loads(job.inputs["CHART"]) == chart
    parse_chart(job.inputs["CHART"])
    assert json.loads(job.inputs["OPTIONS"]) == LOOKS
    parse_options(ChartOptions, job.inputs["OPTIONS"])


@pytest.mark.parametrize(("language", "kind"), CASES)
def test_a_chart_is_sent_as_it_is(language: str, kind: str) -> None:
    job = charts.draw(EXAMPLES[language][kind])

    assert json.loads(job.inputs["CHART"]) == EXAMPLES[language][kind]
    assert parse_options(ChartOptions, job.inputs["OPTIONS"]) == ChartOptions()


def test_a_chart_is_a_picture(client: Client, triton: FakeTriton, tmp_path: Path) -> None:
    drawn = client.charts.draw({"type": "bar", "title": "Hours"}, width=90, height=50)

    assert isinstance(drawn, Picture)
    assert (drawn.kind, drawn.prompt, drawn.language, drawn.not_drawn) == ("bar", "Hours", "en", "")
    assert drawn.image.size == (drawn.width, drawn.height) == (90, 50)
    assert drawn.request_id == triton.received[0].request_id
    assert drawn.timings is not None
    drawn.save(tmp_path / "x.png")
    assert (tmp_path / "x.png").read_bytes() == drawn.data


def test_what_is_no_json_is_refused_before_it_is_sent(client: Client, triton: FakeTriton) -> None:
    with pytest.raises(InvalidRequest, match=r"the chart holds .*, which is not JSON"):
        client.charts.draw({"type": "bar", "categories": {1, 2}})
    assert triton.received == []


def test_what_does_not_fit_together_is_refused_before_it_is_sent(client: Client, triton: FakeTriton) -> None:
    backwards = GanttTask(name="a", start=date(2026, 1, 3), end=date(2026, 1, 1))
    with pytest.raises(InvalidRequest, match=r"^CHART\.tasks\.0\.end is 2026-01-01, before its start 2026-01-03$"):
        client.charts.gantt([backwards])
    with pytest.raises(InvalidRequest, match=r"^CHART\.tasks\.0\.roles\.Anna is"):
        client.charts.responsibility_matrix({"Report": {"Anna": "X"}})
    assert triton.received == []


@pytest.mark.usefixtures("command_line")
class TestCommand:
    """`qwen chart`."""

    def test_writes_the_file_and_names_it(self, triton: FakeTriton) -> None:
        Path("plan.json").write_text(json.dumps(EXAMPLES["zh"]["gantt"]))
        result = qwen("chart", "plan.json", "-o", "x.png", "--width", "200", "--theme", "dark", "--scale", "2")

        assert (result.exit_code, result.stdout, result.stderr) == (0, "x.png\n", "")
        assert json.loads(triton.received[0].inputs["CHART"]) == EXAMPLES["zh"]["gantt"]
        assert json.loads(triton.received[0].inputs["OPTIONS"]) == {"width": 200, "theme": "dark", "scale": 2}
        with Image.open("x.png") as picture:
            assert picture.width == 200

    def test_reads_standard_input_and_the_suffix(self, triton: FakeTriton) -> None:
        made = json.loads(qwen("chart", "-", "-o", "x.jpg", "--json", stdin='{"type": "bar"}').stdout)

        assert (made["file"], made["type"], made["width"], made["not_drawn"]) == ("x.jpg", "bar", 120, "")
        assert json.loads(triton.received[0].inputs["OPTIONS"]) == {"format": "jpeg"}

    def test_any_other_format_of_pil_is_written_too(self, triton: FakeTriton) -> None:
        assert qwen("chart", "-", "-o", "x.bmp", stdin='{"type": "bar"}').exit_code == 0
        with Image.open("x.bmp") as picture:
            assert picture.format == "BMP"

    @pytest.mark.parametrize(("text", "message"), [("{", "is not JSON"), ("[]", "is not a chart, such as")])
    def test_what_is_no_chart_is_one_line(self, triton: FakeTriton, text: str, message: str) -> None:
        assert_fails_on_one_line(qwen("chart", "-", "-o", "x.png", stdin=text), message)
        assert triton.received == []

    def test_a_file_that_is_not_there_is_one_line(self, triton: FakeTriton) -> None:
        assert_fails_on_one_line(qwen("chart", "none.json", "-o", "x.png"), "none.json")
