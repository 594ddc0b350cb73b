"""Functions of graphs, given anything at all: it is refused by the argument's name, and never a fault of ours."""

import copy
import json
import random
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import pytest

from qwen_engine.chains.workflow import functions
from qwen_wire.errors import InvalidRequest

MAX_BYTES = 2**20
NUM_TRIES = 400
MAX_MESSAGE_CHARS = 2000
HEARD = {
    "language": "English",
    "duration_s": 9.5,
    "segments": [{"start_s": 0, "end_s": 2.5, "text": "Good morning. We start."}],
    "cues": [{"start_s": 0.0, "end_s": 2.5, "text": "Good morning."}],
    "failed": [{"start_s": 3.0, "end_s": 4.0, "message": "internal error"}],
}
LINE = {"start_s": 1.5, "end_s": 2.0, "speaker": "Anna", "text": "The report is done by Ben tomorrow."}
ACTION = {"task": "the report", "owner": "Ben and Anna", "due": "tomorrow"}
MINUTES = {
    "title": "Plan",
    "decisions": [{"text": "the plan"}],
    "actions": [ACTION],
    "dates": [{"date": "Friday", "event": "the meeting"}],
}
DATED = {
    **MINUTES,
    "actions": [{**ACTION, "due_date": "2026-11-26"}],
    "dates": [{"date": "Friday", "event": "the meeting", "on": None}],
}
LESSON = {
    "title": "Circle",
    "slides": [{"title": "Red", "text": "It is red.", "key_terms": ["red", "circle"]}],
    "links": [{"from": "red", "to": "circle", "label": "is"}],
}
REQUESTS = [{"language": "zh", "text": text} for text in ("Circle", "Red", "It is red.", "red", "circle", "is")]
DAY = "2026-11-25"
GOOD: dict[str, dict[str, Any]] = {
    "join_texts": {"texts": ["a", None, "b"], "separator": ", "},
    "first_of": {"values": [None, "", "a"]},
    "merge_transcripts": {"results": [HEARD, HEARD], "speakers": ["Anna", "Ben"]},
    "meeting_texts": {"lines": [LINE, LINE], "max_chars": 40},
    "meeting_day": {"day": DAY},
    "meeting_minutes": {"parts": [MINUTES, MINUTES], "day": DAY},
    "minutes_charts": {"minutes": DATED, "lines": [LINE], "speakers": ["Anna"], "day": DAY},
    "illustration_prompt": {"minutes": {"title": "Plan"}, "wish": ""},
    "shot": {"prompt": "a star", "number": 1, "seed": 3},
    "readings": {"variants": [{"text": "a"}], "voices": ["ava"]},
    "whole_text": {"text": "a", "heard": ["b"], "name": "idea"},
    "lesson_language": {"heard": [{"language": None}], "given": "en"},
    "translation_requests": {"lesson": LESSON, "languages": ["zh", "en"], "source": "en"},
    "localised_lessons": {
        "lesson": LESSON,
        "requests": REQUESTS,
        "translations": [text["text"].upper() for text in REQUESTS],
        "languages": ["zh", "en"],
        "source": "en",
    },
    "concept_charts": {"lessons": {"en": LESSON}},
    "narration": {"lessons": {"en": LESSON}, "voices": {"en": None}},
}
ANYTHING: list[Any] = [
    None, True, False, 0, 1, -1, 2**63, 10**4000, 0.5, -0.5, 1e308, -1e308, float("nan"), float("inf"),
    "", " ", "a", "7", "1e400", "null", "\0", "\ue000\uf8ff", "\U0010fffd", "\u202e", "🙂", "a" * 5000, "$x", b"",
    b"\xff\0",
    "0000-00-00", "0000-01-01", "0001-01-01", "0999-12-31", "1000-01-01", "8999-12-31", "9999-12-31", "10000-01-01",
    "2026-02-30", "2026-02-31", "2026-13-01", "20261125", "2026-W48-3", "2026-11-25T00:00:00", "２０２６-11-25",
    "-2026-11-25",
    "in 999 weeks", "next Sunday", "the day after tomorrow", "下周日", "来週の日曜", "en", "zh", "xx", "English",
    [], {}, [None], [[]], [{}], [""], ["a"], ["a", 1], [b"x"], {"a": 1}, {"": None}, {"title": 5}, {"text": None},
    {"1": {"2": {"3": [{"4": []}]}}},
]  # fmt: skip


def called(name: str, arguments: dict[str, Any]) -> Any:
    """What the function gives; None where it is refused, as a caller's mistake and by the function's name."""
    try:
        return functions.call(name, arguments, MAX_BYTES)[functions.RESULT]
    except InvalidRequest as error:
        message = str(error)
    assert len(message) < MAX_MESSAGE_CHARS
    return None


def places(value: Any) -> Iterator[Callable[[Any], Any]]:
    """For each place in a JSON value, what puts another value there and gives the whole."""
    yield lambda other: other
    for key, part in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        for put in places(part):

            def outer(other: Any, key: Any = key, put: Callable[[Any], Any] = put) -> Any:
                changed = copy.copy(value)
                changed[key] = put(other)
                return changed

            yield outer


def test_there_is_an_example_for_every_function() -> None:
    assert set(GOOD) == set(functions.FUNCTIONS)


@pytest.mark.parametrize("name", GOOD)
def test_good_arguments_give_json(name: str) -> None:
    assert json.dumps(called(name, GOOD[name])) != "null"


@pytest.mark.parametrize("name", GOOD)
def test_anything_in_any_place_is_taken_or_refused(name: str) -> None:
    for put in list(places(GOOD[name]))[1:]:
        for other in ANYTHING:
            called(name, put(other))


@pytest.mark.parametrize("name", GOOD)
def test_any_arguments_at_all_are_taken_or_refused(name: str) -> None:
    rng = random.Random(name)
    for _ in range(NUM_TRIES):
        arguments = {argument: rng.choice([given, *ANYTHING]) for argument, given in GOOD[name].items()}
        for _ in range(rng.randrange(3)):  # what is left may fit together no more
            part = rng.choice([one for one in arguments.values() if isinstance(one, list)] or [[]])
            if part and rng.random() < 0.5:
                arguments = {at: one[:-1] if one is part else one for at, one in arguments.items()}
            else:
                arguments = {at: [*one, *one] if one is part else one for at, one in arguments.items()}
        called(name, arguments)


@pytest.mark.parametrize("name", GOOD)
def test_an_argument_that_is_missing_is_refused(name: str) -> None:
    for left_out in GOOD[name]:
        rest = {argument: given for argument, given in GOOD[name].items() if argument != left_out}
        if (name, left_out) != ("join_texts", "separator"):
            with pytest.raises(InvalidRequest, match=left_out):
                functions.check_arguments(name, rest, "WORKFLOW.nodes.x")
            with pytest.raises(InvalidRequest, match=f"{name}.arguments.{left_out} is missing"):
                functions.call(name, rest, MAX_BYTES)
    with pytest.raises(InvalidRequest, match="unexpected keyword argument"):
        functions.check_arguments(name, {**GOOD[name], "more": 1}, "WORKFLOW.nodes.x")


WRONG = [
    ("join_texts", {"texts": "abc"}, 'join_texts.arguments.texts is "abc"'),
    ("join_texts", {"texts": ["a", 5]}, "join_texts.arguments.texts.1 is 5: Input should be a valid string"),
    ("join_texts", {"texts": [b"\xff"]}, "join_texts.arguments.texts.0 is"),
    ("merge_transcripts", {"results": [None], "speakers": []}, "merge_transcripts.arguments.results.0 is null"),
    ("merge_transcripts", {"results": [HEARD], "speakers": ["a", "b"]}, "speakers has 2 names for 1 recordings"),
    ("meeting_texts", {"lines": [LINE], "max_chars": 0}, "meeting_texts.arguments.max_chars is 0"),
    ("meeting_day", {"day": "2026-02-31"}, "date is '2026-02-31'; give an ISO date"),
    ("meeting_day", {"day": "9999-12-31"}, "date is 9999-12-31; allowed: 1000-01-01 to 8999-12-31"),
    ("meeting_day", {"day": 20261125}, "meeting_day.arguments.day is 20261125"),
    ("shot", {"prompt": "a", "number": "1", "seed": 0}, 'shot.arguments.number is "1"'),
    ("shot", {"prompt": "a", "number": 1, "seed": True}, "shot.arguments.seed is true"),
    ("lesson_language", {"heard": [], "given": "xx"}, "language is 'xx'"),
    (
        "localised_lessons",
        {**GOOD["localised_lessons"], "translations": []},
        "translations has 0 texts for 6 requests",
    ),
    (
        "localised_lessons",
        {**GOOD["localised_lessons"], "requests": REQUESTS[:5], "translations": list("abcde")},
        "translations has none into 'zh' of \"is\"",
    ),
]


@pytest.mark.parametrize(("name", "arguments", "message"), WRONG)
def test_what_is_wrong_is_named(name: str, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        functions.call(name, arguments, MAX_BYTES)
    assert message in str(caught.value)


@pytest.mark.parametrize("day", ["1000-01-01", "8999-12-31"])
def test_days_beyond_the_edge_are_no_days_and_hurt_nothing(day: str) -> None:
    words = ["tomorrow", "in 999 weeks", "9999-12-31", "0001-01-01", "2026-02-31", "next Sunday", "today"]
    parts = [{**MINUTES, "actions": [{**ACTION, "due": due} for due in words], "dates": []}]
    minutes = called("meeting_minutes", {"parts": parts, "day": day})
    dues = {action["due"]: action["due_date"] for action in minutes["actions"]}
    assert dues["today"] == day
    assert dues["9999-12-31"] is dues["0001-01-01"] is dues["2026-02-31"] is None
    assert (dues["tomorrow"] is None) == (day == "8999-12-31")
    charts = called("minutes_charts", {"minutes": minutes, "lines": [LINE], "speakers": [], "day": day})
    for task in charts["gantt"]["tasks"]:
        assert date(1000, 1, 1) <= date.fromisoformat(task["end"]) <= date(8999, 12, 31)


def test_a_day_too_far_away_for_a_chart_is_left_out_of_it() -> None:
    actions = [{**ACTION, "task": due, "due": due, "due_date": due} for due in ("2026-12-01", "2999-01-01")]
    minutes = {**DATED, "actions": actions}
    charts = called("minutes_charts", {"minutes": minutes, "lines": [], "speakers": [], "day": DAY})
    assert [task["name"] for task in charts["gantt"]["tasks"]] == ["2026-12-01"]


LARGE = {
    "join_texts": {"texts": ["a"] * 1000, "separator": "x" * 10_000},
    "readings": {"variants": [{"text": "a" * 1000}] * 200, "voices": ["v"] * 200},
    "translation_requests": {
        "lesson": {**LESSON, "title": "a" * 100_000},
        "languages": ["zh", "ja", "fr", "de", "es", "it"],
        "source": "en",
    },
    "localised_lessons": {
        **GOOD["localised_lessons"],
        "lesson": {**LESSON, "title": "a" * 300_000},
        "languages": ["zh", "ja", "fr"],
    },
}


@pytest.mark.parametrize("name", LARGE)
def test_what_multiplies_is_refused_before_it_is_made(name: str) -> None:
    with pytest.raises(InvalidRequest, match=rf"{name} would make a value of \d+ bytes; the limit is {MAX_BYTES}"):
        functions.call(name, LARGE[name], MAX_BYTES)


def test_minutes_of_too_much_are_not_compared_with_every_line() -> None:
    actions = [{**ACTION, "task": f"task {number}", "due_date": None} for number in range(10_000)]
    arguments = {"minutes": {**DATED, "actions": actions}, "lines": [LINE] * 10_000, "speakers": [], "day": DAY}
    with pytest.raises(InvalidRequest, match="too much to find in 10000 lines"):
        functions.call("minutes_charts", arguments, 2**30)
