"""What a small workflow may have a run hold: counted before it is there, and refused by the node that asks for it."""

import asyncio
import json
import threading
import time
import tracemalloc
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from workflow_runs import MODELS, SPEAKING, TRACE, request, results_of, run, run_on, scripted, until_live

from qwen_engine.chains.workflow import chain as workflow_chain
from qwen_engine.chains.workflow import functions
from qwen_engine.chains.workflow.chain import Workflows
from qwen_engine.chains.workflow.graph import read_graph
from qwen_engine.chains.workflow.memory import ITEM_BYTES, MemoryPool, RunMemory, value_bytes
from qwen_engine.chains.workflow.record import digests
from qwen_engine.chains.workflow.validation import check
from qwen_engine.settings import ChainSettings
from qwen_wire.errors import InvalidRequest, Unavailable
from qwen_wire.json_text import MAX_LEVELS
from qwen_wire.messages import to_dict
from tests.scripted_calls import RecordedRun, ScriptedCalls

GENEROUS_S = 20.0
MB = 1 << 20


def settings(**limits: int) -> ChainSettings:
    return ChainSettings(served=MODELS, **limits)


def joined(*texts: str, **more: Any) -> dict[str, Any]:
    return {"function": "join_texts", "arguments": {"texts": list(texts), **more}}


def multiplying(count: int, start: str = "ab" * 50) -> dict[str, Any]:
    """Each text is ten times the one before."""
    nodes = {"n0": joined(start)}
    for number in range(1, count):
        nodes[f"n{number}"] = joined(*[f"$n{number - 1}.RESULT"] * 10)
    return {"nodes": nodes, "outputs": {"last": f"$n{count - 1}.RESULT"}}


def failure(told: RecordedRun) -> Mapping[str, str]:
    assert told.end is not None
    assert told.end.error is not None
    return to_dict(told.end.error)


def peak_bytes(workflow: Mapping[str, Any], **rest: Any) -> tuple[RecordedRun, int]:
    tracemalloc.start()
    try:
        return run(workflow, **rest), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_texts_that_multiply_are_refused_before_they_are_there() -> None:
    workflow = multiplying(9)
    assert len(json.dumps(workflow)) < 2500
    told, peak = peak_bytes(workflow)
    assert failure(told)["status"] == "INVALID_ARGUMENT"
    assert failure(told)["stage"] == "n6"
    assert "more than 16777216 bytes, which is the limit" in failure(told)["message"]
    assert told.state("n5") == "done"
    assert peak < 100 * MB


def test_texts_within_texts_are_counted_the_same() -> None:
    nodes = {"n0": joined("ab" * 50)}
    for number in range(1, 9):
        nodes[f"n{number}"] = joined("".join([f"${{n{number - 1}.RESULT}}"] * 10))
    told, peak = peak_bytes({"nodes": nodes})
    assert failure(told)["stage"] == "n6"
    assert "more than 16777216 bytes" in failure(told)["message"]
    assert peak < 100 * MB


def test_lists_of_lists_are_counted_as_often_as_they_would_be_written() -> None:
    nodes = {"n0": {"function": "first_of", "arguments": {"values": [["ab" * 50]]}}}
    for number in range(1, 20):
        values = [[f"$n{number - 1}.RESULT"] * 10]
        nodes[f"n{number}"] = {"function": "first_of", "arguments": {"values": values}}
    began_s = time.monotonic()
    told, peak = peak_bytes({"nodes": nodes, "outputs": {"last": "$n19.RESULT"}})
    assert failure(told)["status"] == "INVALID_ARGUMENT"
    assert time.monotonic() - began_s < GENEROUS_S
    assert peak < 100 * MB


def test_outputs_are_counted_too() -> None:
    workflow = multiplying(6)
    workflow["outputs"] = {f"o{number}": "$n5.RESULT" for number in range(40)}
    told, peak = peak_bytes(workflow)
    assert failure(told)["stage"].startswith("outputs.o")
    assert "all texts and JSON of this run have more than 134217728 bytes" in failure(told)["message"]
    assert peak < 600 * MB
    assert all(name in told.outputs for name in workflow["outputs"])


def test_what_models_are_given_is_counted() -> None:
    spoken = {"model": "qwen3_tts", "inputs": {"TEXT": "".join(["${n5.RESULT}"] * 10)}}
    drawn = {"model": "chart_image", "inputs": {"CHART": {"a": ["$n5.RESULT"] * 10}}}
    asked = {"model": "qwen_image", "inputs": {"PROMPT": "x"}, "options": {"style": ["$n5.RESULT"] * 10}}
    for node in (spoken, drawn, asked):
        workflow = multiplying(6)
        workflow["nodes"]["large"] = node
        calls = scripted()
        told = run(workflow, calls)
        assert failure(told)["stage"] == "large"
        assert "a value of more than 16777216 bytes" in failure(told)["message"]
        assert not calls.made


def test_items_of_all_nodes_are_counted_together() -> None:
    counted = {"function": "shot", "arguments": {"prompt": "x", "number": "$index", "seed": 0}}
    listed = {"function": "first_of", "arguments": {"values": [list(range(400))]}}
    nodes = {f"n{number}": {**counted, "foreach": "$listed.RESULT"} for number in range(20)}
    told = run({"nodes": {"listed": listed, **nodes}})
    assert "all nodes together have 5200 items; the limit is 5000" in failure(told)["message"]
    states = [told.state(name) for name in nodes]
    assert (states.count("done"), states.count("failed")) == (12, 8)


@pytest.mark.parametrize("listed", [list(range(500)), "$inputs.items", "$first.RESULT"])
def test_items_that_are_known_before_are_counted_before_anything_is_done(listed: Any) -> None:
    counted = {"function": "shot", "arguments": {"prompt": "x", "number": "$index", "seed": 0}}
    others = {f"n{number}": {**counted, "foreach": listed} for number in range(11)}
    workflow = {
        "inputs": {"items": {"type": "json", "default": list(range(500))}},
        "nodes": {"first": {**SPEAKING, "foreach": list(range(500))}, **others},
    }
    if listed == "$first.RESULT":
        workflow["nodes"]["first"] = {**counted, "foreach": "$inputs.items"}
    calls, told = scripted(), RecordedRun()
    with pytest.raises(InvalidRequest, match="all nodes together have 6000 items; the limit is 5000"):
        run(workflow, calls, told=told)
    assert not calls.made
    assert not told.events


def test_items_of_nodes_that_may_be_skipped_count_when_they_run() -> None:
    counted = {"function": "shot", "arguments": {"prompt": "x", "number": "$index", "seed": 0}}
    nodes: dict[str, Any] = {"asked": {"function": "first_of", "arguments": {"values": [""]}}}
    for number in range(20):
        nodes[f"n{number}"] = {**counted, "foreach": list(range(400)), "when": "$asked.RESULT"}
    assert run({"nodes": nodes}).end.finish_reason == "stop"


def test_a_run_of_many_items_lets_others_go_on() -> None:
    counted = {"function": "shot", "arguments": {"prompt": "x", "number": "$index", "seed": 0}}
    many = {"nodes": {f"n{number}": {**counted, "foreach": list(range(400))} for number in range(10)}}
    few = {"nodes": {f"n{number}": {**counted, "foreach": [0]} for number in range(3)}}

    async def both() -> tuple[RecordedRun, int]:
        crowd = RecordedRun()
        running = asyncio.create_task(run_on(scripted(), many, told=crowd))
        while not crowd.events:
            await asyncio.sleep(0)
        told = await run_on(scripted(), few)
        seen = len(crowd.events)
        assert (await running).end.finish_reason == "stop"
        return told, seen

    told, seen = asyncio.run(both())
    assert len(told.events) == 9
    assert seen < 20 * len(told.events)


def test_a_list_that_multiplies_by_foreach_is_counted() -> None:
    nodes = multiplying(5)["nodes"]
    nodes["all"] = {**joined("$n4.RESULT", "$item"), "foreach": [str(number) for number in range(500)]}
    told, peak = peak_bytes({"nodes": nodes})
    assert failure(told)["stage"] == "all"
    assert "all texts and JSON of this run have more than" in failure(told)["message"]
    assert peak < 600 * MB


def test_conditions_and_lists_cost_nothing_where_they_are_only_looked_at() -> None:
    nodes = multiplying(6)["nodes"]
    nodes["all"] = {**joined("$item"), "foreach": ["a"] * 400, "when": "$n5.RESULT"}
    nodes["each"] = {**joined("$item"), "foreach": ["a", ""] * 200, "when": "$item"}
    told = run({"nodes": nodes, "outputs": {"all": "$all.RESULT"}})
    assert told.outputs["all"] == ["a"] * 400


def test_files_are_counted_as_they_come() -> None:
    def drawing(inputs: Mapping[str, Any]) -> Any:
        return [{"IMAGE": b"x" * 10_000, "RESULT": b"{}"}]

    workflow = {"nodes": {"all": {"model": "chart_image", "foreach": [1] * 30, "inputs": {"CHART": {}}}}}
    calls = ScriptedCalls({"chart_image": drawing})
    told = run(workflow, calls, settings=settings(max_run_file_bytes=100_000))
    assert "all files of this run have more than 100000 bytes" in failure(told)["message"]
    assert [one["state"] for one in told.record["all"]["items"]].count("done") == 9
    told = run(workflow, ScriptedCalls({"chart_image": drawing}), settings=settings(max_run_file_bytes=400_000))
    assert told.state("all") == "done"


def test_files_that_are_sent_count_as_well() -> None:
    workflow = {"inputs": {"audio": {"type": "bytes"}}, "nodes": {"x": joined("a")}}
    given = {"inputs": {"audio": {"payload": 0}}}
    with pytest.raises(InvalidRequest, match="all files of this run have more than 5000 bytes"):
        run(workflow, payloads=(b"x" * 6000,), settings=settings(max_run_file_bytes=5000), **given)


class Gate:
    """Holds up calls of a function in a module, on whatever thread, until it is opened."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, module: Any, name: str, holds: Callable[..., bool]) -> None:
        self._function, self._holds = getattr(module, name), holds
        self.reached, self.opened = threading.Event(), threading.Event()
        monkeypatch.setattr(module, name, self)

    def __call__(self, *given: Any) -> Any:
        if self._holds(*given):
            self.reached.set()
            assert self.opened.wait(GENEROUS_S)
        return self._function(*given)


def ends_beside(gate: Gate, workflow: Mapping[str, Any], **options: Any) -> RecordedRun:
    """Another run ends while `workflow` is at the gate; what becomes of that one then."""

    async def both() -> RecordedRun:
        held_up = asyncio.create_task(run_on(scripted(), workflow, **options))
        while not gate.reached.is_set():
            await asyncio.sleep(0)
        assert (await run_on(scripted(), {"nodes": {"x": joined("a")}})).end.finish_reason == "stop"
        gate.opened.set()
        return await held_up

    return asyncio.run(both())


def test_others_run_while_a_large_request_is_read(monkeypatch) -> None:
    gate = Gate(monkeypatch, workflow_chain, "digests", lambda graph, values: bool(values))
    workflow = {"inputs": {"t": {"type": "text"}}, "nodes": {"x": joined("$inputs.t")}, "outputs": {"t": "$x.RESULT"}}
    told = ends_beside(gate, workflow, inputs={"t": "a" * 200_000})
    assert told.outputs == {"t": "a" * 200_000}


def test_others_run_while_much_is_made_of_little(monkeypatch) -> None:
    gate = Gate(monkeypatch, functions, "call", lambda name, *_: name == "readings")
    given = {"variants": [{"text": "a"}] * 50, "voices": ["ava"] * 50}
    made = {"function": "readings", "arguments": given}
    told = ends_beside(gate, {"nodes": {"x": made}, "outputs": {"x": "$x.RESULT"}})
    assert len(told.outputs["x"]) == 2500


def test_runs_share_what_they_hold_and_one_is_always_taken() -> None:
    async def both() -> None:
        calls = scripted()
        calls.gates = {"qwen3_tts": asyncio.Event()}
        workflows = Workflows(calls, settings(max_held_bytes=60_000), {})
        told = RecordedRun()
        graph = {"inputs": {"t": {"type": "text"}}, "nodes": {"x": SPEAKING}}
        options = {"inputs": {"t": "a" * 50_000}}

        async def one(options: Mapping[str, Any]) -> Any:
            return await workflows.run(request(graph, (), options), TRACE, told.emit)

        first = asyncio.create_task(one(options))
        await until_live(calls, "qwen3_tts", 1)
        with pytest.raises(Unavailable, match=r"other runs hold \d+ bytes, of 60000 in all"):
            await one(options)
        calls.gates["qwen3_tts"].set()
        assert (await first).finish_reason == "stop"
        assert (await one({"inputs": {"t": "a" * 500_000}})).finish_reason == "stop"  # more than all, but alone
        assert (await one(options)).finish_reason == "stop"  # what has ended holds nothing

    asyncio.run(both())


@pytest.mark.parametrize("levels", [20, MAX_LEVELS - 4])
def test_lists_within_lists_are_digested_in_no_time(levels: int) -> None:
    value: Any = "a"
    for _ in range(levels):
        value = [value]
    workflow = {"inputs": {"deep": {"type": "json"}}, "nodes": {"x": joined("a"), "y": joined("${inputs.deep}")}}
    graph = read_graph(json.dumps(workflow), "WORKFLOW")
    began_s = time.monotonic()
    made = digests(graph, {"deep": value})
    assert time.monotonic() - began_s < 1.0
    assert made["y"] != digests(graph, {"deep": [value]})["y"]
    assert run(workflow, inputs={"deep": value}).state("y") == "done"


def test_a_file_that_many_items_are_is_digested_once() -> None:
    workflow = {"inputs": {"files": {"type": "bytes", "several": True}}, "nodes": {"x": joined("a")}}
    graph = read_graph(json.dumps(workflow), "WORKFLOW")

    def took_s(num_items: int) -> float:
        began_s = time.thread_time()
        digests(graph, {"files": [file] * num_items})
        return time.thread_time() - began_s

    file = bytes(20_000_000)
    assert min(took_s(100) for _ in range(3)) < 5 * min(took_s(1) for _ in range(3))


def test_files_are_told_apart_by_content_and_place() -> None:
    workflow = {"inputs": {"files": {"type": "json"}}, "nodes": {"x": joined("${inputs.files}")}}
    graph = read_graph(json.dumps(workflow), "WORKFLOW")
    given = ([b"a", b"b"], [b"b", b"a"], [b"a", b"a"], [b"a"], ["a", b"b"], b"a", "a", [[b"a"], b"b"], [None, b"b"])
    assert len({digests(graph, {"files": files})["x"] for files in given}) == len(given)
    assert digests(graph, {"files": [b"a", b"b"]}) == digests(graph, {"files": [bytes([97]), bytes([98])]})


def test_a_workflow_has_so_many_bytes_and_no_more() -> None:
    with pytest.raises(InvalidRequest, match=r"WORKFLOW has \d+ bytes; the limit is 262144"):
        run({"nodes": {"x": joined("a" * 300_000)}})


def test_a_path_has_so_many_parts_and_no_more() -> None:
    path = "$x.RESULT" + ".a" * 100_000
    began_s = time.monotonic()
    with pytest.raises(InvalidRequest, match="is a path of more than 32 parts") as caught:
        run({"nodes": {"x": joined("a"), "y": joined(path)}})
    assert len(str(caught.value)) < 300
    assert time.monotonic() - began_s < GENEROUS_S


def test_many_references_to_the_items_of_a_long_list_are_checked_in_no_time() -> None:
    foreach = [f"$n{number % 90}.RESULT" for number in range(6000)]
    node = {**joined(*["$item"] * 6000), "foreach": foreach}
    nodes = {f"n{number}": joined("a") for number in range(90)}
    graph = read_graph(json.dumps({"nodes": {**nodes, "all": node}}), "WORKFLOW")
    began_s = time.monotonic()
    check(graph, "WORKFLOW", {}, settings())
    assert time.monotonic() - began_s < GENEROUS_S


def test_a_template_that_is_long_is_counted_for_every_item() -> None:
    long = {"function": "first_of", "arguments": {"values": ["$item", *[{"a": []}] * 20_000]}, "foreach": [1] * 500}
    began_s = time.monotonic()
    told = run({"nodes": {"all": long}}, settings=settings(max_run_bytes=16 * MB))
    assert "all texts and JSON of this run have more than" in failure(told)["message"]
    assert time.monotonic() - began_s < GENEROUS_S


def test_a_file_in_the_outputs_that_is_no_result_is_named() -> None:
    workflow = {
        "inputs": {"audio": {"type": "bytes"}},
        "nodes": {"x": joined("a")},
        "outputs": {"both": ["$inputs.audio", "$x.RESULT"]},
    }
    told = run(workflow, payloads=(b"x",), inputs={"audio": {"payload": 0}})
    assert failure(told) == {
        "stage": "outputs.both",
        "status": "INVALID_ARGUMENT",
        "message": "it holds a file that was sent with the request",
    }


@pytest.mark.parametrize(
    "node",
    [
        {"model": "chart_image", "inputs": {"CHART": {"a": "$made.RESULT"}}},
        {"model": "chart_image", "inputs": {"CHART": "$made.RESULT"}},
        {"model": "qwen3_tts", "inputs": {"TEXT": "say ${made.RESULT}"}},
        {"model": "qwen3_tts", "inputs": {"TEXT": "a"}, "options": {"voice": "$made.RESULT"}},
    ],
)
def test_a_file_within_a_value_is_the_caller_s_mistake(node: Mapping[str, Any]) -> None:
    nodes = {
        "drawn": {"model": "chart_image", "inputs": {"CHART": {}}},
        "made": {"function": "first_of", "arguments": {"values": [["$drawn.IMAGE"]]}},
        "used": dict(node),
    }
    told = run({"nodes": nodes})
    assert failure(told)["stage"] == "used"
    assert failure(told)["status"] == "INVALID_ARGUMENT"
    assert "file" in failure(told)["message"]


@pytest.mark.parametrize("output", [".".join(["a"] * 50_000), "IMAGE.0", "IMAGE", "", "."])
def test_results_to_resume_with_are_taken_or_refused_whatever_they_are_called(output: str) -> None:
    workflow = {"nodes": {"x": {"model": "chart_image", "inputs": {"CHART": {}}}}}
    payloads: list[bytes] = []
    first = run(workflow)
    results = results_of(first, payloads)
    more = [{"stage": "x", "output": "IMAGE", "value": "a"}, {"stage": "x", "output": output, "value": 1}]
    try:
        told = run(workflow, payloads=tuple(payloads), resume={"record": first.record, "results": [*results, *more]})
    except InvalidRequest as error:
        message = str(error)
        assert message == "OPTIONS.resume.results: IMAGE.0 is one of several, but IMAGE is there, too"
    else:
        assert told.end is not None


def test_sizes_are_about_those_of_json() -> None:
    for value in ("abc", "天", ["abc"] * 100, {"a": {"b": [1, 2.5, None, True]}}, {str(n): "x" * n for n in range(50)}):
        written = len(json.dumps(value, ensure_ascii=False).encode())
        assert written - 2 <= value_bytes(value, 2**40) <= ITEM_BYTES * written
    shared: Any = ["a"]
    for _ in range(60):
        shared = [shared, shared]
    began_s = time.monotonic()
    assert value_bytes(shared, 1000) > 1000
    assert time.monotonic() - began_s < 1.0
    assert value_bytes(b"x" * 1000, 10**6) <= ITEM_BYTES


def test_a_run_that_has_ended_holds_nothing() -> None:
    held = MemoryPool(1000)
    with RunMemory(settings(), held) as run_memory:
        run_memory.take_value("a" * 300)
        run_memory.take_files(400)
        assert held.num_bytes == 700
    assert held.num_bytes == 0
