"""Workflows on scripted models: order, lists, conditions, retries, faults, cancel, resume."""

import asyncio
import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from workflow_runs import (
    MODELS,
    SPEAKING,
    TRACE,
    cancelled,
    chart,
    charted,
    gated,
    results_of,
    run,
    run_on,
    scripted,
    until_live,
)

from qwen_engine.settings import ChainSettings
from qwen_wire.chains import StageFailed, StageProgress, StageResult, StageStarted
from qwen_wire.errors import InvalidRequest, ServerError, Unavailable
from qwen_wire.messages import to_dict
from tests.scripted_calls import RecordedRun, ScriptedCalls

SPOKEN = {
    "inputs": {"audio": {"type": "bytes"}, "seed": {"type": "integer", "default": 3}},
    "nodes": {
        "heard": {"model": "qwen3_asr", "inputs": {"AUDIO": "$inputs.audio"}},
        "picture": {
            "model": "qwen_image",
            "inputs": {"PROMPT": "a ring of ${heard.TEXT}"},
            "options": {"seed": "$inputs.seed", "preview_every": 2},
        },
        "spoken": {"model": "qwen3_tts", "inputs": {"TEXT": "$heard.TEXT"}},
    },
    "outputs": {"text": "$heard.TEXT", "picture": "$picture.IMAGE", "both": ["$heard.RESULT.language", "$inputs.seed"]},
}


def test_values_go_from_node_to_node_and_out() -> None:
    calls = scripted()
    told = run(SPOKEN, calls, payloads=(b"12345",), inputs={"audio": {"payload": 0}})

    assert told.end.finish_reason == "stop"
    assert told.outputs == {
        "text": "5 bytes",
        "picture": {"stage": "picture", "output": "IMAGE"},
        "both": ["English", 3],
    }
    [drawn] = [call for call in calls.made if call.model == "qwen_image"]
    assert drawn.inputs["PROMPT"] == b"a ring of 5 bytes"
    assert drawn.options == {"seed": 3, "preview_every": 2}
    assert drawn.trace == TRACE.inside()
    assert {told.state(name) for name in SPOKEN["nodes"]} == {"done"}
    assert told.record["heard"]["end_s"] <= told.record["picture"]["start_s"]


def test_what_models_tell_is_passed_on_and_files_are_whole() -> None:
    told = run(SPOKEN, payloads=(b"12345",), inputs={"audio": {"payload": 0}})

    assert told.types("picture") == ["stage_started", "stage_result", "stage_result", "stage_result"]
    results = {
        (event.stage, event.output): event.payload or event.value
        for event in told.events
        if isinstance(event, StageResult)
    }
    assert results["picture", "IMAGE"].startswith(b"\x89PNG")
    assert results["picture", "TEXT"] == "a ring of 5 bytes"
    assert results["spoken", "AUDIO"][:4] == b"RIFF"
    pieces = [event for event in told.events if isinstance(event, StageProgress) and event.stage == "spoken"]
    assert [event.event["type"] for event in pieces] == ["audio", "audio"]
    assert results["spoken", "AUDIO"].endswith(b"".join(event.payload for event in pieces))
    steps = [event for event in told.events if isinstance(event, StageProgress) and event.stage == "picture"]
    assert [event.event["type"] for event in steps] == ["queued", "progress", "progress", "progress", "image"]
    assert [bool(event.payload) for event in steps] == [False, True, True, True, False]


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, Any]:
    """Charts, each made from some of those before it."""
    names = [f"n{number}" for number in range(draw(st.integers(1, 9)))]
    nodes = {}
    for number, name in enumerate(names):
        needs = draw(st.lists(st.sampled_from(names[:number]), unique=True, max_size=4)) if number else []
        nodes[name] = charted(*needs)
    return {"nodes": dict(draw(st.permutations(list(nodes.items()))))}


def needs_of(workflow: Mapping[str, Any], name: str) -> set[str]:
    needs = workflow["nodes"][name]["inputs"]["CHART"]["needs"]
    return {need.removeprefix("$").removesuffix(".RESULT") for need in needs}


@given(graphs())
def test_every_node_runs_once_and_after_what_it_needs(workflow: dict[str, Any]) -> None:
    calls = scripted()
    told = run(workflow, calls)

    assert len(calls.made) == len(workflow["nodes"])
    order = [(event.type, event.stage) for event in told.events]
    for name in workflow["nodes"]:
        assert told.types(name) == ["stage_started", "stage_result", "stage_result"]
        for need in needs_of(workflow, name):
            last = max(at for at, (_, stage) in enumerate(order) if stage == need)
            assert last < order.index(("stage_started", name))


@given(graphs(), st.data())
def test_a_failure_leaves_out_what_needs_it_and_nothing_else(workflow: dict[str, Any], data: st.DataObject) -> None:
    broken = data.draw(st.sampled_from(sorted(workflow["nodes"])))
    workflow["nodes"][broken] = charted(*needs_of(workflow, broken), options={"scale": 4})
    calls = ScriptedCalls({"chart_image": _failing_chart})
    told = run(workflow, calls)

    lost: set[str] = set()
    for name in sorted(workflow["nodes"], key=lambda name: int(name[1:])):
        if needs_of(workflow, name) & (lost | {broken}):
            lost.add(name)
    assert told.end.finish_reason == "failed"
    assert to_dict(told.end.error) == {"stage": broken, "status": "UNAVAILABLE", "message": "no room"}
    assert {name: told.state(name) for name in workflow["nodes"]} == {
        name: "failed" if name == broken else "skipped" if name in lost else "done" for name in workflow["nodes"]
    }


def _failing_chart(inputs: Mapping[str, Any]) -> Iterator[dict[str, bytes]]:
    if json.loads(inputs["OPTIONS"]).get("scale") == 4:
        raise Unavailable("no room")
    yield from chart(inputs)


def test_what_can_run_at_once_does() -> None:
    async def at_once() -> RecordedRun:
        calls = gated("chart_image")
        workflow = {"nodes": {f"n{number}": charted() for number in range(6)}}
        running = asyncio.create_task(run_on(calls, workflow))
        await until_live(calls, "chart_image", 6)
        calls.gates["chart_image"].set()
        return await running

    assert asyncio.run(at_once()).end.finish_reason == "stop"


LISTS = {
    "inputs": {"prompts": {"type": "json"}},
    "nodes": {
        "pictures": {
            "model": "qwen_image",
            "foreach": "$inputs.prompts",
            "inputs": {"PROMPT": "$item.text"},
            "options": {"seed": "$index"},
            "when": "$item.wanted",
            "max_parallel": 2,
        },
        "listed": {"function": "join_texts", "arguments": {"texts": "$pictures.TEXT", "separator": "; "}},
    },
    "outputs": {"pictures": "$pictures.IMAGE", "texts": "$listed.RESULT"},
}


def prompts(*texts: str) -> list[dict[str, Any]]:
    return [{"text": text, "wanted": text != "no"} for text in texts]


def test_a_list_runs_item_by_item() -> None:
    calls = scripted()
    told = run(LISTS, calls, inputs={"prompts": prompts("one", "no", "two", "three")})

    assert calls.most_live["qwen_image"] == 2
    assert sorted((call.inputs["PROMPT"], call.options["seed"]) for call in calls.made) == [
        (b"one", 0),
        (b"three", 3),
        (b"two", 2),
    ]
    place = {"stage": "pictures", "output": "IMAGE"}
    assert told.outputs == {
        "pictures": [{**place, "item": 0}, None, {**place, "item": 2}, {**place, "item": 3}],
        "texts": "one; two; three",
    }
    assert [item["state"] for item in told.record["pictures"]["items"]] == ["done", "skipped", "done", "done"]
    first = next(event for event in told.events if event.stage == "pictures")
    assert (first.item, first.items) == (None, 4)


def test_an_empty_list_is_a_list() -> None:
    assert run(LISTS, inputs={"prompts": []}).outputs == {"pictures": [], "texts": ""}


def test_items_that_fail_leave_the_others() -> None:
    calls = scripted()
    calls.faults["qwen_image"] = [None, Unavailable("no room"), None]
    told = run(LISTS, calls, inputs={"prompts": prompts("one", "two", "three")})

    assert to_dict(told.end.error) == {"stage": "pictures", "status": "UNAVAILABLE", "message": "no room"}
    assert [item["state"] for item in told.record["pictures"]["items"]] == ["done", "failed", "done"]
    assert [place and place["item"] for place in told.outputs["pictures"]] == [0, None, 2]
    assert [event.item for event in told.events if isinstance(event, StageFailed)] == [1, None]
    assert told.state("listed") == "skipped"


def test_a_node_that_is_not_wanted_is_left_out_with_the_models_that_need_it() -> None:
    workflow = {
        "inputs": {"audio": {"type": "bytes", "optional": True}, "text": {"type": "text", "optional": True}},
        "nodes": {
            "heard": {"model": "qwen3_asr", "inputs": {"AUDIO": "$inputs.audio"}, "when": "$inputs.audio"},
            "again": {"model": "qwen3_tts", "inputs": {"TEXT": "$heard.TEXT"}},
            "text": {"function": "first_of", "arguments": {"values": ["$inputs.text", "$heard.TEXT"]}},
        },
        "outputs": {"text": "$text.RESULT", "heard": "$heard.TEXT"},
    }
    told = run(workflow, inputs={"text": "written"})
    assert told.end.finish_reason == "stop"
    assert told.outputs == {"text": "written", "heard": None}
    assert [told.state(name) for name in workflow["nodes"]] == ["skipped", "skipped", "done"]
    assert told.record["again"]["reason"] == "heard was skipped"
    assert run(workflow, payloads=(b"12",), inputs={"audio": {"payload": 0}}).outputs["text"] == "2 bytes"


def test_prompts_make_messages_and_answers_are_parsed() -> None:
    workflow = {
        "nodes": {"minutes": {"model": "qwen3_chat", "prompt": "minutes", "user": '{"title": "x"}'}},
        "outputs": {"title": "$minutes.json.title", "text": "$minutes.text"},
    }
    calls = scripted()
    assert run(workflow, calls).outputs == {"title": "x", "text": '{"title": "x"}'}
    [call] = calls.made
    assert call.inputs["text_input"] == b""
    assert "json_schema" in call.options

    workflow["nodes"]["minutes"]["user"] = "no JSON"
    told = run(workflow)
    assert to_dict(told.end.error) == {
        "stage": "minutes",
        "status": "INVALID_ARGUMENT",
        "message": "the answer is not JSON",
    }


@pytest.mark.parametrize(("faults", "state"), [(1, "done"), (2, "done"), (3, "failed")])
def test_retries(faults: int, state: str) -> None:
    calls = scripted()
    calls.faults["chart_image"] = [ServerError() if number % 2 else Unavailable("no room") for number in range(faults)]
    told = run({"nodes": {"drawn": charted(retries=2)}}, calls)
    assert (told.state("drawn"), told.record["drawn"]["attempts"]) == (state, min(faults, 2) + 1)
    retries = [event.event for event in told.events if isinstance(event, StageProgress)]
    assert [event["attempt"] for event in retries] == list(range(2, 2 + min(faults, 2)))


def test_mistakes_are_not_tried_again() -> None:
    calls = scripted()
    calls.faults["chart_image"] = [InvalidRequest("CHART is empty")]
    told = run({"nodes": {"drawn": charted(retries=2)}}, calls)
    assert to_dict(told.end.error) == {"stage": "drawn", "status": "INVALID_ARGUMENT", "message": "CHART is empty"}
    assert len(calls.made) == 1


def test_a_node_has_a_time_limit() -> None:
    async def late() -> RecordedRun:
        workflow = {"nodes": {"slow": charted(timeout_s=0.05), "after": charted("slow"), "other": SPEAKING}}
        return await run_on(gated("chart_image"), workflow)

    told = asyncio.run(late())
    assert to_dict(told.end.error) == {
        "stage": "slow",
        "status": "DEADLINE_EXCEEDED",
        "message": "chart_image was not done within 0.05 s",
    }
    assert [told.state(name) for name in ("slow", "after", "other")] == ["failed", "skipped", "done"]


def test_the_whole_has_a_deadline() -> None:
    async def late() -> RecordedRun:
        workflow = {"nodes": {"said": SPEAKING, "slow": charted(), "after": charted("slow")}}
        return await run_on(gated("chart_image"), workflow, deadline_s=0.2)

    told = asyncio.run(late())
    assert told.end.finish_reason == "failed"
    assert (told.end.error.stage, told.end.error.status) == ("slow", "DEADLINE_EXCEEDED")
    assert [told.state(name) for name in ("said", "slow", "after")] == ["done", "cancelled", "cancelled"]
    assert any(isinstance(event, StageResult) and event.stage == "said" for event in told.events)


def test_a_cancelled_run_cancels_its_calls() -> None:
    workflow = {"nodes": {f"n{number}": charted() for number in range(3)} | {"said": SPEAKING}}
    asyncio.run(cancelled(gated("chart_image"), workflow, "chart_image", 3))


def test_calls_are_bounded() -> None:
    workflow = {
        "inputs": {"items": {"type": "json"}},
        "nodes": {
            "drawn": {"model": "chart_image", "foreach": "$inputs.items", "inputs": {"CHART": {"of": "$item"}}},
            "said": {"model": "qwen3_tts", "foreach": "$inputs.items", "inputs": {"TEXT": "$item"}},
        },
    }
    calls = scripted()
    settings = ChainSettings(served=MODELS, max_parallel=5, max_calls=3)
    run(workflow, calls, settings=settings, inputs={"items": ["a"] * 20})
    assert calls.most_live["chart_image"] == 3
    assert calls.most_live["qwen3_tts"] <= 3


@pytest.mark.parametrize(
    ("node", "message"),
    [
        (
            {"model": "qwen_image", "inputs": {"PROMPT": "x"}, "options": {"step": 4}},
            "options.step is unknown; qwen_image",
        ),
        ({"model": "qwen_image", "inputs": {"PROMPT": "x"}, "options": {"steps": "4"}}, "nodes.x.options.steps is '4'"),
        (
            {"model": "qwen_image", "inputs": {"PROMPT": "x"}, "options": {"seed": "$inputs.a.b"}},
            "OPTIONS.inputs.a.b is -1",
        ),
        (
            {"model": "qwen3_tts", "inputs": {"TEXT": "x"}, "options": {"language": "elvish"}},
            "options.language is 'elvish'",
        ),
        ({"function": "join_texts", "arguments": {"texts": "$inputs.a"}}, "OPTIONS.inputs.a is"),
        ({"function": "meeting_day", "arguments": {"day": "soon"}}, "'soon'"),
    ],
)
def test_mistakes_that_a_request_itself_makes_are_told_before_anything_runs(node: dict[str, Any], message: str) -> None:
    workflow = {"inputs": {"a": {"type": "json"}}, "nodes": {"first": SPEAKING, "x": node}}
    calls, told = scripted(), RecordedRun()
    with pytest.raises(InvalidRequest) as refusal:
        run(workflow, calls, told=told, inputs={"a": {"b": -1}})
    assert message in str(refusal.value).replace('"', "'")
    assert not calls.made
    assert not told.events


def test_what_is_made_on_the_way_is_checked_by_its_stage() -> None:
    drawn = {"model": "qwen_image", "inputs": {"PROMPT": "x"}, "options": {"steps": "$first.RESULT.of"}}
    told = run({"nodes": {"first": charted(), "x": drawn}})
    assert (told.state("first"), told.state("x")) == ("done", "done")


def test_lists_are_bounded() -> None:
    workflow = {"inputs": {"items": {"type": "json"}}, "nodes": {"said": {**SPEAKING, "foreach": "$inputs.items"}}}
    settings = ChainSettings(served=MODELS, max_items=3)
    with pytest.raises(InvalidRequest, match=r"nodes\.said\.foreach has 4 items; the limit is 3"):
        run(workflow, settings=settings, inputs={"items": ["a"] * 4})
    told = run(workflow, settings=settings, inputs={"items": "a"})
    assert to_dict(told.end.error) == {"stage": "said", "status": "INVALID_ARGUMENT", "message": "foreach is no list"}


def test_a_failed_run_goes_on_where_it_failed() -> None:
    workflow = {
        "inputs": {"prompts": {"type": "json"}},
        "nodes": {
            "pictures": {"model": "qwen_image", "foreach": "$inputs.prompts", "inputs": {"PROMPT": "$item"}},
            "told": {"model": "qwen3_tts", "inputs": {"TEXT": "hello"}},
            "chart": {"model": "chart_image", "inputs": {"CHART": "$pictures.TEXT"}},
        },
        "outputs": {"pictures": "$pictures.IMAGE", "chart": "$chart.RESULT"},
    }
    given = {"prompts": ["one", "two", "three"]}
    calls = scripted()
    calls.faults["qwen_image"] = [None, Unavailable("no room"), None]
    first = run(workflow, calls, inputs=given)
    assert first.end.finish_reason == "failed"

    payloads: list[bytes] = []
    resume = {"record": first.record, "results": results_of(first, payloads)}
    calls = scripted()
    second = run(workflow, calls, payloads=tuple(payloads), inputs=given, resume=resume)
    assert second.end.finish_reason == "stop"
    assert [(call.model, call.inputs.get("PROMPT")) for call in calls.made] == [
        ("qwen_image", b"two"),
        ("chart_image", None),
    ]
    assert second.state("told") == "kept"
    assert [item["state"] for item in second.record["pictures"]["items"]] == ["kept", "done", "kept"]
    assert second.outputs == run(workflow, inputs=given).outputs

    given["prompts"][2] = "four"
    calls = scripted()
    run(workflow, calls, payloads=tuple(payloads), inputs=given, resume=resume)
    assert [call.inputs.get("PROMPT") for call in calls.made] == [b"one", b"two", b"four", None]


def test_a_seed_that_is_left_out_is_random_and_told() -> None:
    workflow = {
        "inputs": {"seed": {"type": "seed"}, "other": {"type": "seed", "optional": True}},
        "nodes": {
            "drawn": {"model": "qwen_image", "inputs": {"PROMPT": "a ring"}, "options": {"seed": "$inputs.seed"}}
        },
    }
    first, second, given = (run(workflow, inputs=inputs) for inputs in ({}, {}, {"seed": 0}))
    assert first.end.seeds["seed"] != second.end.seeds["seed"]
    assert given.end.seeds == {"seed": 0}
    calls = scripted()
    told = run(workflow, calls)
    assert json.loads(calls.made[0].inputs["OPTIONS"])["seed"] == told.end.seeds["seed"]
    with pytest.raises(InvalidRequest, match=r'OPTIONS\.inputs\.seed is "one"; it takes integer'):
        run(workflow, inputs={"seed": "one"})

    payloads: list[bytes] = []
    resume = {"record": told.record, "seeds": told.end.seeds, "results": results_of(told, payloads)}
    calls = scripted()
    again = run(workflow, calls, payloads=tuple(payloads), resume=resume)
    assert (calls.made, again.end.seeds) == ([], told.end.seeds)
    run(workflow, calls, payloads=tuple(payloads), inputs={"seed": 5}, resume=resume)
    assert [json.loads(call.inputs["OPTIONS"])["seed"] for call in calls.made] == [5]


def test_started_items_come_after_their_stage() -> None:
    told = run(LISTS, inputs={"prompts": prompts("one")})
    started = [event for event in told.events if isinstance(event, StageStarted) and event.stage == "pictures"]
    assert [(event.item, event.items) for event in started] == [(None, 1), (0, None)]
