"""Lists that are still being made: nodes begin with the first items, and what comes of that when something fails."""

import asyncio
import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from workflow_runs import MODELS, cancelled, gated, results_of, run, scripted

from qwen_engine.settings import ChainSettings
from qwen_wire.errors import InvalidRequest, QwenError, Unavailable
from qwen_wire.messages import to_dict
from tests.scripted_calls import RecordedRun, ScriptedCalls

STORY = {
    "nodes": {
        "story": {"model": "qwen3_chat", "prompt": "storyboard", "user": "three of them", "retries": 1},
        "shots": {
            "function": "shot",
            "foreach": "$story.json.prompts",
            "arguments": {"prompt": "$item", "number": "$index", "seed": 5},
        },
        "pictures": {
            "model": "qwen_image",
            "foreach": "$shots.RESULT",
            "inputs": {"PROMPT": "$item.prompt"},
            "options": {"seed": "$item.seed"},
        },
    },
    "outputs": {"pictures": "$pictures.IMAGE", "shots": "$shots.RESULT"},
}
WRITTEN = '{"draft": "Three.", "prompts": ["one", "two", "three"], "more": 1}'


class Writer:
    """A chat that writes WRITTEN in pieces of `size`; `fault` strikes after the piece that holds `before`."""

    def __init__(self, fault: QwenError | None = None, before: str = "", size: int = 3) -> None:
        self._fault, self._before, self._size = fault, before, size

    def __call__(self, inputs: Mapping[str, Any]) -> Iterator[dict[str, bytes]]:
        for number, start in enumerate(range(0, len(WRITTEN), self._size)):
            if self._fault and self._before in WRITTEN[:start]:
                fault, self._fault = self._fault, None
                raise fault
            event = json.dumps({"index": number, "type": "text"}).encode()
            yield {"text_output": WRITTEN[start : start + self._size].encode(), "EVENT": event}
        yield {"text_output": b"", "EVENT": b'{"index": 99, "type": "end", "finish_reason": "stop"}'}


def writing(writer: Writer) -> ScriptedCalls:
    calls = scripted()
    calls.scripts = {**calls.scripts, "qwen3_chat": writer}
    return calls


def drawn(told: RecordedRun) -> list[dict[str, Any] | None]:
    return told.outputs["pictures"]


def place(item: int) -> dict[str, Any]:
    return {"stage": "pictures", "output": "IMAGE", "item": item}


@pytest.mark.parametrize("size", [1, 3, 500])
def test_pictures_begin_while_the_story_is_written(size: int) -> None:
    told = run(STORY, writing(Writer(size=size)))
    assert told.end.finish_reason == "stop"
    assert drawn(told) == [place(0), place(1), place(2)]
    assert told.outputs["shots"] == [
        {"prompt": text, "seed": 5 + number} for number, text in enumerate(["one", "two", "three"])
    ]
    is_early = told.record["pictures"]["items"][0]["start_s"] < told.record["story"]["end_s"]
    assert is_early == (size < 500)
    starts = [
        (event.item, event.items) for event in told.events if event.stage == "pictures" and hasattr(event, "items")
    ]
    assert starts[0] == (None, None)


CHARTS = {
    "nodes": {
        "charts": {
            "model": "chart_image",
            "foreach": ["a", "b", "c"],
            "inputs": {"CHART": {"of": "$item"}},
            "retries": 1,
        },
        "pictures": {"model": "qwen_image", "foreach": "$charts.RESULT", "inputs": {"PROMPT": "${item.of.of}"}},
    },
    "outputs": {"pictures": "$pictures.IMAGE"},
}


def test_items_of_a_list_do_not_wait_for_each_other() -> None:
    calls = scripted()
    calls.faults["chart_image"] = [Unavailable("no room")]
    told = run(CHARTS, calls)
    assert drawn(told) == [place(0), place(1), place(2)]
    charts, pictures = told.record["charts"]["items"], told.record["pictures"]["items"]
    assert charts[0]["attempts"] == 2
    assert pictures[1]["end_s"] < charts[0]["end_s"] <= pictures[0]["start_s"]


def test_a_story_that_breaks_off_leaves_its_pictures() -> None:
    told = run(STORY, writing(Writer(Unavailable("gone"), before='"two"')))
    assert to_dict(told.end.error) == {"stage": "story", "status": "UNAVAILABLE", "message": "gone"}
    assert drawn(told) == [place(0), place(1)]
    assert [told.state(name) for name in STORY["nodes"]] == ["failed", "skipped", "skipped"]
    assert told.record["pictures"]["reason"] == "shots was left out"


def test_a_story_is_not_told_anew_once_pictures_are_made_of_it() -> None:
    early, late = writing(Writer(Unavailable("gone"))), writing(Writer(Unavailable("gone"), before='"one"'))
    assert run(STORY, early).state("story") == "done"
    told = run(STORY, late)
    assert (told.state("story"), told.record["story"]["attempts"]) == ("failed", 1)


def test_items_whose_source_failed_are_left_out() -> None:
    calls = scripted()
    calls.faults["chart_image"] = [None, InvalidRequest("CHART is empty"), None]
    told = run(CHARTS, calls)
    assert told.end.error.stage == "charts"
    assert [item["state"] for item in told.record["pictures"]["items"]] == ["done", "skipped", "done"]
    assert drawn(told) == [place(0), None, place(2)]

    payloads: list[bytes] = []
    resume = {"record": told.record, "results": results_of(told, payloads)}
    calls = scripted()
    again = run(CHARTS, calls, payloads=tuple(payloads), resume=resume)
    assert again.end.finish_reason == "stop"
    assert [call.model for call in calls.made] == ["chart_image", "qwen_image"]
    assert [item["state"] for item in again.record["pictures"]["items"]] == ["kept", "done", "kept"]
    assert drawn(again) == [place(0), place(1), place(2)]


def test_a_growing_list_is_bounded() -> None:
    told = run(STORY, writing(Writer()), settings=ChainSettings(served=MODELS, max_items=2))
    message = "foreach has 3 items; the limit is 2"
    assert to_dict(told.end.error) == {"stage": "shots", "status": "INVALID_ARGUMENT", "message": message}


@pytest.mark.parametrize(
    ("listed", "message"),
    [("draft", "foreach is no list"), ("scenes", "$story.json.scenes: there is no 'scenes' in $story.json")],
)
def test_what_turns_out_to_be_no_list(listed: str, message: str) -> None:
    shots = {**STORY["nodes"]["shots"], "foreach": f"$story.json.{listed}"}
    told = run({**STORY, "nodes": {**STORY["nodes"], "shots": shots}}, writing(Writer()))
    assert told.end.error.stage == "shots"
    assert told.end.error.message.startswith(message)


def test_a_cancelled_story_cancels_its_pictures() -> None:
    calls = gated("qwen_image")
    calls.scripts = {**calls.scripts, "qwen3_chat": Writer()}
    asyncio.run(cancelled(calls, STORY, "qwen_image", 2))
