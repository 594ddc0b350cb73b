"""Workflows on scripted models: what the tests of their runs share."""

import asyncio
import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from client_scripts import SCRIPTS

from qwen_engine.chains.calls import Trace
from qwen_engine.chains.workflow.chain import Workflows
from qwen_engine.messages import Inputs
from qwen_engine.settings import ChainSettings
from qwen_wire.chains import StageResult
from tests.scripted_calls import RecordedRun, ScriptedCalls

TRACE = Trace.read({"traceparent": f"00-{'7' * 32}-{'8' * 16}-01"})
WAIT_S = 20
MODELS = ("qwen3_asr", "qwen3_tts", "qwen_image", "chart_image", "qwen3_chat", "workflow")


def chart(inputs: Mapping[str, Any]) -> Iterator[dict[str, bytes]]:
    """Tells what it was made from."""
    yield {"IMAGE": inputs["CHART"], "RESULT": json.dumps({"of": json.loads(inputs["CHART"])}).encode()}


def chat(inputs: Mapping[str, Any]) -> Iterator[dict[str, bytes]]:
    """Says what the user says, in two pieces, after a thought."""
    text = json.loads(inputs["OPTIONS"])["messages"][-1]["content"]
    for number, (kind, piece) in enumerate([("thinking", "hm"), ("text", text[:3]), ("text", text[3:])]):
        yield {"text_output": piece.encode(), "EVENT": json.dumps({"index": number, "type": kind}).encode()}
    yield {"text_output": b"", "EVENT": b'{"index": 3, "type": "end", "finish_reason": "stop"}'}


def scripted() -> ScriptedCalls:
    return ScriptedCalls({**SCRIPTS, "chart_image": chart, "qwen3_chat": chat})


def request(workflow: Mapping[str, Any], payloads: tuple[bytes, ...], options: Mapping[str, Any]) -> Inputs:
    items = {"WORKFLOW": (json.dumps(workflow).encode(),), "OPTIONS": (json.dumps(options).encode(),)}
    return Inputs({**items, "PAYLOAD": payloads})


async def run_on(
    calls: ScriptedCalls,
    workflow: Mapping[str, Any],
    payloads: tuple[bytes, ...] = (),
    told: RecordedRun | None = None,
    settings: ChainSettings | None = None,
    **options: Any,
) -> RecordedRun:
    told = told or RecordedRun()
    workflows = Workflows(calls, settings or ChainSettings(served=MODELS), {})
    told.end = await workflows.run(request(workflow, payloads, options), TRACE, told.emit)
    assert not +calls.live
    return told


def run(workflow: Mapping[str, Any], calls: ScriptedCalls | None = None, **rest: Any) -> RecordedRun:
    return asyncio.run(run_on(calls or scripted(), workflow, **rest))


def charted(*needs: str, **more: Any) -> dict[str, Any]:
    """A node whose chart is made from others'."""
    return {"model": "chart_image", "inputs": {"CHART": {"needs": [f"${need}.RESULT" for need in needs]}}, **more}


SPEAKING = {"model": "qwen3_tts", "inputs": {"TEXT": "hello"}}


def gated(*models: str) -> ScriptedCalls:
    calls = scripted()
    calls.gates = {model: asyncio.Event() for model in models}
    return calls


async def until_live(calls: ScriptedCalls, model: str, count: int) -> None:
    async with asyncio.timeout(WAIT_S):
        while calls.live[model] < count:
            await asyncio.sleep(0)


async def cancelled(calls: ScriptedCalls, workflow: Mapping[str, Any], model: str, count: int) -> None:
    """Cancel a run once it has `count` calls of `model` open, and see that none is left."""
    running = asyncio.create_task(run_on(calls, workflow))
    await until_live(calls, model, count)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert not +calls.live


def results_of(told: RecordedRun, payloads: list[bytes]) -> list[dict[str, Any]]:
    """The results as a client sends them back: files behind `payloads`."""
    kept = []
    for event in told.events:
        if isinstance(event, StageResult):
            result = {"stage": event.stage, "output": event.output}
            if event.item is not None:
                result["item"] = event.item
            if event.payload:
                result["payload"] = len(payloads)
                payloads.append(event.payload)
            else:
                result["value"] = event.value
            kept.append(result)
    return kept
