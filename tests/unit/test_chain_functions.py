"""What the graphs of named chains compute themselves."""

import itertools
from datetime import date

import pytest

from qwen_engine.chains.tasks import lessons, minutes, scenes, transcripts
from qwen_engine.chains.tasks.prompts import written_json
from qwen_wire.charts import parse_chart
from qwen_wire.errors import InvalidRequest


def parsed(chart):
    """As chart_image takes it."""
    return parse_chart(written_json(chart).encode())


def heard(*segments, **more):
    return {
        "language": "English",
        "duration_s": 30.0,
        "segments": [{"start_s": start, "end_s": end, "text": text} for start, end, text in segments],
        **more,
    }


ANNA = heard((0.0, 2.0, "Good morning everyone."), (9.0, 12.0, "Yes. The task is done by Ben on Friday."))
BEN = heard(
    (3.0, 8.0, "We agreed on the plan and the budget."),
    cues=[{"start_s": 3.0, "end_s": 8.0, "text": "We agreed on"}],
    failed=[{"start_s": 20.0, "end_s": 21.0, "message": "internal error"}],
)


def test_recordings_become_one_transcript_in_the_order_of_time():
    merged = transcripts.merge_transcripts([ANNA, BEN], ["Anna", "Ben"])
    assert [(line["speaker"], line["text"]) for line in merged["lines"]] == [
        ("Anna", "Good morning everyone."),
        ("Ben", "We agreed on the plan and the budget."),
        ("Anna", "Yes."),
        ("Anna", "The task is done by Ben on Friday."),
    ]
    for line, following in itertools.pairwise(merged["lines"]):
        assert line["start_s"] < line["end_s"] <= following["end_s"]
    assert merged["lines"][-1]["end_s"] == 12.0
    assert merged["cues"] == [{"start_s": 3.0, "end_s": 8.0, "text": "We agreed on", "speaker": "Ben"}]
    assert merged["failed"][0]["speaker"] == "Ben"
    assert (merged["language"], merged["duration_s"]) == ("English", 30.0)


def test_speakers_without_names_are_numbered_and_names_must_fit():
    assert transcripts.merge_transcripts([ANNA, BEN], [])["speakers"] == ["Speaker 1", "Speaker 2"]
    with pytest.raises(InvalidRequest, match="speakers has 1 names for 2 recordings"):
        transcripts.merge_transcripts([ANNA, BEN], ["Anna"])


def lines(count):
    return [
        {"start_s": 10.0 * number, "end_s": 10.0 * number + 5, "speaker": "Anna", "text": f"Number {number} is done."}
        for number in range(count)
    ]


def test_a_long_meeting_is_told_in_parts_of_like_length():
    [whole] = transcripts.meeting_texts(lines(3), 1000)
    assert whole.splitlines()[1] == "[00:10] Anna: Number 1 is done."
    parts = transcripts.meeting_texts(lines(400), 1000)
    assert "\n".join(parts) == transcripts.meeting_texts(lines(400), 100_000)[0]
    assert "[1:06:30] Anna: Number 399 is done." in parts[-1]
    assert max(map(len, parts)) < 1100
    assert min(map(len, parts)) > 800
    with pytest.raises(InvalidRequest, match="nothing is said"):
        transcripts.meeting_texts([], 1000)


def part(title, *actions, decisions=(), dates=()):
    return {
        "title": title,
        "decisions": [{"text": text} for text in decisions],
        "actions": [dict(zip(("task", "owner", "due"), action, strict=True)) for action in actions],
        "dates": [{"date": day, "event": event} for day, event in dates],
    }


PART = part(
    "Meeting about the plan",
    ("the task", "Ben", "Friday"),
    ("the task", "Emma", "Monday"),
    decisions=["the plan and the budget"],
    dates=[("Monday", "the meeting starts at five o'clock")],
)
LINES = transcripts.merge_transcripts([ANNA, BEN], ["Anna", "Ben"])["lines"]


DAY = "2026-11-25"


def charts(told, said, speakers=()):
    return minutes.minutes_charts(told, said, speakers, DAY)


def test_parts_are_merged_and_nothing_is_said_twice():
    parts = [part(""), PART, part("Later", ("the task", "Ben", "Friday"), ("x", "Ann", ""))]
    merged = minutes.meeting_minutes(parts, DAY)
    assert merged["title"] == "Meeting about the plan"
    assert [(action["task"], action["owner"]) for action in merged["actions"]] == [
        ("the task", "Ben"),
        ("the task", "Emma"),
        ("x", "Ann"),
    ]
    assert minutes.meeting_minutes([], DAY)["actions"] == []


def test_days_of_a_meeting():
    dated = minutes.meeting_minutes([PART, part("", ("x", "Ann", "soon"))], DAY)
    assert [action["due_date"] for action in dated["actions"]] == ["2026-11-27", "2026-11-30", None]
    assert dated["dates"][0]["on"] == "2026-11-30"
    assert minutes.meeting_day(DAY) == DAY
    assert minutes.meeting_day("") == date.today().isoformat()
    with pytest.raises(InvalidRequest, match="date is 'Friday'"):
        minutes.meeting_day("Friday")


def test_the_charts_of_minutes_are_charts():
    drawn = charts(minutes.meeting_minutes([PART], DAY), LINES, ["Anna", "Ben"])
    timeline = parsed(drawn["timeline"])
    assert [(event.time_s, event.label) for event in timeline.events] == [
        (3.0, "the plan and the budget"),
        (LINES[-1]["start_s"], "the task (Ben)"),
    ]
    matrix = parsed(drawn["responsibilities"])
    assert matrix.people == ("Ben", "Emma", "Anna")
    assert [(task.name, task.roles) for task in matrix.tasks] == [
        ("the task", {"Ben": "R", "Emma": "I", "Anna": "I"}),
        ("the task (2)", {"Ben": "I", "Emma": "R", "Anna": "I"}),
    ]
    gantt = parsed(drawn["gantt"])
    assert [(task.name, task.owner, task.start.day, task.end and task.end.day) for task in gantt.tasks] == [
        ("the task", "Ben", 25, 27),
        ("the task (2)", "Emma", 25, 30),
        ("the meeting starts at five o'clock", "", 30, None),
    ]


@pytest.mark.parametrize("told", [[], [part("", ("fly", "", ""))]])
def test_there_is_no_chart_of_nothing(told):
    assert charts(minutes.meeting_minutes(told, DAY), LINES, ["Anna"]) == {
        "timeline": None, "responsibilities": None, "gantt": None,
    }  # fmt: skip


def test_charts_of_long_minutes_keep_to_the_limits_of_charts():
    many = part("x" * 500, *((f"{'任务' * 80}{n}", f"Owner {n} and Ben", "2026-12-01") for n in range(150)))
    said = [
        {"start_s": 1.0 * n, "speaker": "Anna", "text": " ".join(action[key] for key in ("task", "owner", "due"))}
        for n, action in enumerate(many["actions"])
    ]
    for chart in charts(minutes.meeting_minutes([many], DAY), said).values():
        assert len(written_json(chart).encode()) <= 30_000
        assert parsed(chart)


def test_what_was_due_before_the_meeting_is_a_bar_all_the_same():
    late = minutes.meeting_minutes([part("x", ("report", "", "2026-11-01"))], DAY)
    [task] = parsed(charts(late, [])["gantt"]).tasks
    assert task.start == task.end == date(2026, 11, 1)
    assert task.owner == ""


def test_minutes_without_spaces_between_words_are_found_again():
    said = [{"start_s": 4.0, "speaker": "本", "text": "我们商定了计划和预算。"}]
    told = minutes.meeting_minutes([part("会议", decisions=["计划和预算"])], DAY)
    assert parsed(charts(told, said)["timeline"]).events[0].time_s == 4.0


def test_an_illustration_is_the_title_s_unless_wished_for():
    assert "the plan" in minutes.illustration_prompt(PART, "")
    assert minutes.illustration_prompt(PART, "a red circle") == "a red circle"


LESSON = {
    "title": "Lesson: Circle",
    "slides": [
        {"title": "Circle", "text": "A red circle.", "key_terms": ["circle", "red"]},
        {"title": "Plan", "text": "Next step is the plan today.", "key_terms": ["plan"]},
    ],
    "links": [{"from": "circle", "to": "red", "label": "is"}],
}


def test_a_lesson_comes_in_every_language():
    requests = lessons.translation_requests(LESSON, ["zh", "en", "ja"], "en")
    texts = [request["text"] for request in requests if request["language"] == "zh"]
    assert len(texts) == len(set(texts)) == 9
    assert {request["language"] for request in requests} == {"zh", "ja"}
    assert requests[0]["prompt"] == "zh: Lesson: Circle"
    told = [f"<{request['prompt']}>" for request in requests]
    by_language = lessons.localised_lessons(LESSON, requests, told, ["zh", "en", "ja"], "en")
    assert list(by_language) == ["en", "zh", "ja"]
    assert by_language["en"] == LESSON
    assert by_language["ja"]["slides"][1]["text"] == "<ja: Next step is the plan today.>"
    assert by_language["zh"]["links"] == [{"from": "<zh: circle>", "to": "<zh: red>", "label": "<zh: is>"}]
    with pytest.raises(InvalidRequest, match=r"languages has 'klingon'; allowed: Arabic \(ar\)"):
        lessons.translation_requests(LESSON, ["klingon"], "en")


def test_only_languages_with_a_voice_are_spoken_and_the_others_told():
    told = lessons.narration({"en": LESSON, "ja": LESSON}, {"en": "ava", "zh": "mei"})
    assert [(script["language"], script["slide"], script["voice"]) for script in told["scripts"]] == [
        ("en", 0, "ava"),
        ("en", 1, "ava"),
    ]
    assert told["silent"] == ["ja"]


def test_concepts_are_a_chart_whatever_the_links_name():
    links = [{"from": start, "to": end, "label": ""} for start, end in (("a", "b"), ("b", "b"), ("a", " "))]
    told = {"title": "t", "slides": [{"key_terms": ["c", "a", " "]}, {"key_terms": ["a"]}], "links": links}
    chart, other = map(parsed, lessons.concept_charts({"en": told, "zh": {**told, "title": "课"}}))
    assert (chart.title, other.title) == ("t", "课")
    assert [concept.name for concept in chart.concepts] == ["c", "a", "b"]
    assert [(link.source, link.target) for link in chart.links] == [("a", "b")]


def test_the_language_of_a_lesson():
    assert lessons.lesson_language([], None) == "en"
    assert lessons.lesson_language([{"language": None}, {"language": "Chinese"}], None) == "zh"
    assert lessons.lesson_language([{"language": "Chinese"}], "ja") == "ja"
    with pytest.raises(InvalidRequest, match="language"):
        lessons.lesson_language([], "Klingon")


def test_text_and_speech_are_one_text():
    assert lessons.whole_text(" a ", [], "idea") == "a"
    assert lessons.whole_text("", ["b", "c"], "idea") == "b\nc"
    assert lessons.whole_text("a", ["b"], "idea") == "a\nb"
    with pytest.raises(InvalidRequest, match="there is no idea"):
        lessons.whole_text("", [" "], "idea")


def test_pictures_and_readings_side_by_side():
    assert scenes.shot("b", 1, 5) == {"prompt": "b", "seed": 6}
    variants = [{"headline": "h", "text": "one"}, {"headline": "h", "text": "two"}]
    assert [(one["variant"], one["voice"]) for one in scenes.readings(variants, ["ava", "dan"])] == [
        (0, "ava"),
        (0, "dan"),
        (1, "ava"),
        (1, "dan"),
    ]
    assert scenes.readings(variants, []) == [
        {"variant": 0, "voice": None, "text": "one"},
        {"variant": 1, "voice": None, "text": "two"},
    ]
