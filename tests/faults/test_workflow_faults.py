"""Chains on a real Triton in bad times: stages that fail or never end, callers that leave, models that go away."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from tritonclient.grpc import service_pb2, service_pb2_grpc

from qwen_client import ChainFailed, Client, InvalidRequest, Unavailable
from qwen_client.channels import DIRECT
from qwen_server.profiles import load_profile
from qwen_server.triton_process import Address, TritonProcess
from tests.loading import load, unload
from tests.workflow_examples import (
    CHART,
    DRAWN,
    TEXT_STREAM,
    add_text,
    bytes_tensor,
    nested,
    open_ended,
    stream,
    token_of,
    until_started,
    write_profile,
)

HOME = Path(__file__).resolve().parents[2]
NUM_TRIES = 30
TRACE_ID = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TritonProcess]:
    """Speech with two places; a request that finds none is refused after a second."""
    profile = write_profile(tmp_path_factory.mktemp("profile"))
    with TritonProcess(load_profile(str(profile)), Address.free()) as process:
        process.wait_ready()
        yield process


@pytest.fixture
def client(server: TritonProcess) -> Iterator[Client]:
    with Client(server.address.grpc, timeout_s=300) as connected:
        yield connected


BOTH = {"nodes": {"drawn": DRAWN, "first": open_ended("first"), "second": open_ended("second")}, "outputs": {}}


def speaks(client: Client) -> bool:
    try:
        return client.tts.synthesize("hello").duration_s > 0
    except Unavailable:
        return False


def is_free_again(client: Client) -> bool:
    """Whether speech has a place within some seconds; what holds one here would hold it for ten minutes."""
    return any(speaks(client) for _ in range(NUM_TRIES))


def test_leaving_frees_the_places_of_all_children(client: Client) -> None:
    with stream(client, BOTH) as events:
        until_started(events, "first", "second")
        assert not speaks(client)
    assert is_free_again(client)


def test_leaving_reaches_the_children_of_nested_chains(client: Client) -> None:
    with stream(client, nested(BOTH, 2)) as events:
        seen: set[str] = set()
        while not {"first", "second"} <= seen:
            event = next(events)
            told = getattr(event, "event", {})
            while told.get("type") == "stage_progress":
                seen.add(told["stage"])
                told = told["event"]
        assert not speaks(client)
    assert is_free_again(client)


@pytest.mark.parametrize("num_events", [0, 1, 2, 3, 5, 8])
def test_leaving_at_any_moment_is_harmless(client: Client, num_events: int) -> None:
    said = {"model": "qwen3_tts", "inputs": {"TEXT": "$drawn.RESULT.type"}}
    workflow = {"nodes": {"drawn": DRAWN, "other": {**TEXT_STREAM}, "said": said}, "outputs": {}}
    for _ in range(4):
        with stream(client, workflow) as events:
            for _ in range(num_events):
                next(events)
    assert is_free_again(client)


def test_a_caller_that_vanishes_leaves_nothing_running(server: TritonProcess, client: Client) -> None:
    script = (
        f"import sys\nsys.path.insert(0, {str(HOME)!r})\n"
        "from qwen_client import Client\n"
        "from tests.workflow_examples import open_ended, stream, until_started\n"
        "nodes = {name: open_ended(name) for name in ('third', 'fourth')}\n"
        "events = stream(Client(sys.argv[1]), {'nodes': nodes})\n"
        "until_started(events, 'third', 'fourth')\n"
        "print('begun', flush=True)\n"
        "sys.stdin.read()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, server.address.grpc], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "begun\n"
    assert not speaks(client)
    process.kill()
    process.communicate(timeout=30)
    assert is_free_again(client)


@pytest.mark.parametrize("limit", ["timeout_s", "deadline_s"])
def test_what_takes_too_long_is_cancelled_and_named(client: Client, limit: str) -> None:
    limits = {limit: 8.0}
    node_limits = limits if limit == "timeout_s" else {}
    nodes = {name: open_ended(f"{limit} {name}", **node_limits) for name in ("first", "second")}
    workflow = {"nodes": {"drawn": DRAWN, **nodes}, "outputs": {"drawn": "$drawn.IMAGE"}}
    with pytest.raises(ChainFailed) as caught:
        client.chains.run(workflow, deadline_s=limits.get("deadline_s"))
    assert caught.value.stage in ("first", "second")
    assert caught.value.status == "DEADLINE_EXCEEDED"
    assert caught.value.result.outputs["drawn"].startswith(b"\x89PNG")
    assert is_free_again(client)


def test_a_stage_that_fails_leaves_the_others(client: Client) -> None:
    broken = {"model": "chart_image", "inputs": {"CHART": {"type": "pie"}}}
    after = {"model": "qwen3_tts", "inputs": {"TEXT": "${broken.RESULT}"}}
    said = {"model": "qwen3_tts", "inputs": {"TEXT": "good morning"}}
    workflow = {
        "nodes": {"broken": broken, "after": after, "said": said},
        "outputs": {"said": "$said.AUDIO", "after": "$after.AUDIO"},
    }
    with pytest.raises(ChainFailed, match=r"stage 'broken' failed: CHART\.type is .pie") as caught:
        client.chains.run(workflow)
    assert caught.value.status == "INVALID_ARGUMENT"
    made = caught.value.result
    assert {name: one.state for name, one in made.record.items()} == {
        "broken": "failed",
        "after": "skipped",
        "said": "done",
    }
    assert made.outputs["said"][:4] == b"RIFF"
    assert made.outputs["after"] is None

    mended = {**workflow, "nodes": {**workflow["nodes"], "broken": DRAWN, "after": said}}
    again = client.chains.run(mended, resume=made)
    assert again.record["said"].state == "kept"
    assert again.outputs["said"] == made.outputs["said"]


def test_a_busy_model_is_tried_again(client: Client) -> None:
    patient = {"model": "qwen3_tts", "inputs": {"TEXT": "hello"}, "retries": 5}
    with stream(client, BOTH) as events:
        until_started(events, "first", "second")
        with stream(client, {"nodes": {"patient": patient}, "outputs": {}}) as waiting:
            retried = next(event for event in waiting if getattr(event, "event", {}).get("type") == "retry")
            assert retried.event["error"]["status"] == "UNAVAILABLE"
            events.close()
            assert "StageResult" in {type(event).__name__ for event in waiting}
            assert waiting.finish_reason == "stop"


def test_a_model_that_is_unloaded_in_mid_chain_is_named(server: TritonProcess, client: Client) -> None:
    speech = open_ended("unloading")
    drawn = {"model": "chart_image", "inputs": {"CHART": {**CHART, "categories": ["${speech.EVENT.finish_reason}"]}}}
    workflow = {"nodes": {"speech": speech, "drawn": drawn}, "outputs": {"speech": "$speech.AUDIO"}}
    with stream(client, workflow) as events:
        token = token_of(events, "speech")
        unload(server, "chart_image")
        try:
            add_text(client, "unloading", token, "good morning")
            rest = list(events)
            failed = next(event for event in rest if type(event).__name__ == "StageFailed")
            assert (failed.stage, failed.error.status) == ("drawn", "UNAVAILABLE")
            assert "chart_image" in failed.error.message
            assert any(type(event).__name__ == "StageResult" and event.stage == "speech" for event in rest)
            assert events.finish_reason == "failed"
        finally:
            load(server, "chart_image")
    assert client.chains.run({"nodes": {"drawn": DRAWN}, "outputs": {"drawn": "$drawn.RESULT.type"}}).outputs == {
        "drawn": "bar"
    }


def test_32_nested_chains_at_once_all_end(client: Client) -> None:
    """Four places at each depth: those outside wait for those inside, and never the other way round."""
    chart = {**DRAWN, "options": {"width": 240}, "retries": 3}
    workflow = nested({"nodes": {"one": chart}, "outputs": {"kind": "$one.RESULT.type"}}, 3)

    def run(_: int) -> Any:
        return client.chains.run(workflow).outputs

    with ThreadPoolExecutor(32) as pool:
        assert list(pool.map(run, range(32))) == [{"kind": "bar"}] * 32


def test_a_chain_that_calls_itself_is_stopped(client: Client) -> None:
    node = {
        "model": "workflow",
        "inputs": {"WORKFLOW": "$inputs.graph"},
        "options": {"inputs": {"graph": "$inputs.graph"}},
    }
    workflow = {"inputs": {"graph": {"type": "json"}}, "nodes": {"again": node}, "outputs": {}}
    with pytest.raises(
        ChainFailed, match=r"again: again: again: 4 chains are around this one, the limit is 3"
    ) as caught:
        client.chains.run(workflow, {"graph": workflow})
    assert (caught.value.stage, caught.value.status) == ("again", "INVALID_ARGUMENT")


def test_the_caller_s_trace_goes_through(server: TritonProcess) -> None:
    options = {"nodes": {"drawn": DRAWN}}
    tensors = [bytes_tensor("WORKFLOW", [json.dumps(options).encode()]), bytes_tensor("OPTIONS", [b"{}"])]
    request = service_pb2.ModelInferRequest(model_name="workflow", inputs=tensors)
    metadata = [("traceparent", f"00-{TRACE_ID}-b7ad6b7169203331-01")]
    with grpc.insecure_channel(server.address.grpc, DIRECT) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        answers = list(stub.ModelStreamInfer(iter([request]), timeout=60, metadata=metadata))
    outputs = answers[-1].infer_response
    at = [output.name for output in outputs.outputs].index("EVENT")
    end = json.loads(outputs.raw_output_contents[at][4:])
    assert (end["type"], end["trace_id"]) == ("end", TRACE_ID)


BAD: list[tuple[Callable[[Client], Any], str]] = [
    (lambda client: client.chains.run({"nodes": {}}), r"WORKFLOW\.nodes"),
    (lambda client: client.chains.run({"nodes": {"x": {"model": "nothing"}}}), r"nodes\.x\.model is 'nothing'"),
    (
        lambda client: client.chains.run({"nodes": {"x": {"model": "qwen3_asr"}}}),
        r"'qwen3_asr', which is not served here",
    ),
    (lambda client: client.chains.run({"nodes": {"x": DRAWN}}, deadline_s=1e6), r"OPTIONS\.deadline_s is 1e\+06"),
    (lambda client: client.chains.run({"nodes": {"x": DRAWN}}, {"y": 1}), r"OPTIONS\.inputs\.y is unknown"),
]


@pytest.mark.parametrize(("call", "message"), BAD)
def test_mistakes_are_refused_before_anything_runs(client: Client, call: Callable[[Client], Any], message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        call(client)
