"""How benchmarks tell their results."""

import json

import pytest

from perf.metrics import Goal, Metric, print_report, ratio

FACTS = {"checkpoint": "demo/checkpoints/tts", "cores": 2, "commit": "abc", "baseline_threads": {"sequential": 1}}


@pytest.mark.parametrize(
    ("goal", "value", "met"),
    [
        (Goal(12), 12.0, True),
        (Goal(12), 11.9, False),
        (Goal(0.1, at_most=True), 0.1, True),
        (Goal(0.1, at_most=True), 0.11, False),
    ],
)
def test_a_goal_is_a_bound_on_one_side(goal, value, met):
    assert Metric("name", value, "ratio", goal, {}).met is met


def test_without_a_goal_or_a_value_nothing_is_met():
    assert Metric("name", 1.0, "ms", None, {}).met is None
    assert Metric("name", None, "ms", Goal(1), {}).met is None


def test_a_ratio_is_that_of_medians():
    metric = ratio("speed", [10.0, 100.0, 30.0], [10.0, 20.0, 15.0], "frames/s", Goal(3), texts=16)
    assert metric.value == 2.0
    assert metric.detail["repetitions"] == 3
    assert (metric.detail["min"], metric.detail["median"], metric.detail["max"]) == (1.0, 2.0, 5.0)
    assert metric.detail["ours"] == {"median": 30.0, "min": 10.0, "max": 100.0}
    assert metric.detail["texts"] == 16


def test_a_line_holds_what_the_format_asks_for():
    line = json.loads(Metric("speed", 13.20004, "ratio", Goal(12.0), {"repetitions": 5}).json_line("tts", FACTS))
    assert line == {
        "bench": "tts",
        "metric": "speed",
        "value": 13.2,
        "unit": "ratio",
        "goal": 12.0,
        "met": True,
        "detail": {**FACTS, "repetitions": 5},
    }


def test_a_report_is_a_table_and_a_line_a_metric(capsys):
    metrics = [
        ratio("speed", [4.0], [2.0], "frames/s", Goal(3)),
        Metric("memory", None, "MiB", Goal(16, at_most=True), {"why": "too short"}),
    ]
    print_report("tts", metrics, FACTS)
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "checkpoint demo/checkpoints/tts, cores 2, commit abc, baseline_threads (sequential 1)"
    assert [json.loads(line)["metric"] for line in printed[-2:]] == ["speed", "memory"]
    assert any("≥ 3" in line and "NO" in line for line in printed)
    assert any("≤ 16" in line for line in printed)
