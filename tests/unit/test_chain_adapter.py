"""The adapter of chains on a small stand-in for Triton's Python API: one final response, whatever happens."""

import asyncio
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from small_triton import MINE, OTHER, PB_UTILS, WAIT_S, SmallRequest, SmallResponse

from qwen_engine.chain_adapter import ChainAdapter
from qwen_engine.chains.calls import Trace
from qwen_engine.chains.event_sinks import Emit
from qwen_engine.messages import Inputs
from qwen_engine.settings import ChainSettings
from qwen_wire.chains import ChainEnd, StageResult, StageStarted
from qwen_wire.errors import InvalidRequest
from qwen_wire.tensors import WORKFLOW
from qwen_wire.workflows import WorkflowEnd
from tests.waiting import until

STARTED, RESULT = StageStarted(stage="one"), StageResult(stage="one", output="IMAGE", payload=b"file")


async def well(inputs: Inputs, trace: Trace, emit: Emit) -> ChainEnd:
    await emit(STARTED)
    await emit(RESULT)
    outputs = {"options": inputs["OPTIONS"].decode()}
    return WorkflowEnd(finish_reason="stop", outputs=outputs, record={}, trace_id=trace.trace_id)


async def refusing(inputs: Inputs, trace: Trace, emit: Emit) -> ChainEnd:
    raise InvalidRequest("OPTIONS.x is unknown")


async def broken(inputs: Inputs, trace: Trace, emit: Emit) -> ChainEnd:
    await emit(STARTED)
    raise ZeroDivisionError


async def untellable(inputs: Inputs, trace: Trace, emit: Emit) -> ChainEnd:
    return WorkflowEnd(finish_reason="stop", outputs={"untellable": object()}, record={}, trace_id=trace.trace_id)


@dataclass
class Endless:
    """Runs until it is cancelled; `cleaned` counts those that were."""

    started: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    cleaned: int = 0

    async def __call__(self, inputs: Inputs, trace: Trace, emit: Emit) -> ChainEnd:
        await emit(STARTED)
        self.started.release()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)  # as a chain that has calls to end
            self.cleaned += 1
        raise AssertionError


def no_room(response: SmallResponse | None, is_final: bool) -> None:
    if not is_final:
        raise RuntimeError("shared memory is full")


@pytest.fixture
def adapter_of() -> Any:
    made: list[ChainAdapter] = []

    def make(run: Callable[..., Any], **settings: Any) -> ChainAdapter:
        made.append(ChainAdapter(PB_UTILS, WORKFLOW, ChainSettings(**settings), run=run))
        return made[-1]

    yield make
    for adapter in made:
        adapter.close()


def test_events_are_numbered_and_timed_and_the_end_is_final(adapter_of: Any) -> None:
    request = SmallRequest(b'{"a": 1}', {"traceparent": f"00-{'1' * 32}-{'2' * 16}-01"})
    adapter_of(well).execute([request])
    end = request.outcome().event
    assert [response.event["type"] for response in request.sent] == ["stage_started", "stage_result", "end"]
    assert [response.event["index"] for response in request.sent] == [0, 1, 2]
    times = [response.event["time_s"] for response in request.sent]
    assert times == sorted(times)
    assert request.sent[1].tensors[0].items[0, 0] == b"file"
    assert (end["finish_reason"], end["trace_id"], end["outputs"]["options"]) == ("stop", "1" * 32, '{"a": 1}')
    assert set(end["timings"]) == {"queue_s", "first_event_s", "total_s"}


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (refusing, "INVALID_ARGUMENT: OPTIONS.x is unknown"),
        (broken, "INTERNAL: internal error; the server's log has the cause"),
        (untellable, "INTERNAL: internal error; the server's log has the cause"),
    ],
)
def test_what_goes_wrong_is_the_final_response(adapter_of: Any, run: Any, message: str) -> None:
    request = SmallRequest()
    adapter_of(run).execute([request])
    error = request.outcome().error
    assert error is not None
    assert error.message == message


def test_an_answer_that_cannot_be_sent_ends_its_own_request(adapter_of: Any) -> None:
    adapter = adapter_of(well)
    unlucky, other = SmallRequest(fault=no_room), SmallRequest()
    adapter.execute([unlucky, other])
    assert unlucky.outcome().error.code == "INTERNAL"
    assert other.outcome().event["finish_reason"] == "stop"


def test_a_run_with_very_many_events_takes_turns_with_others(adapter_of: Any) -> None:
    order: list[str] = []
    begun, may_go_on = threading.Semaphore(0), threading.Event()

    async def telling(inputs: Inputs, trace: Trace, emit: Emit) -> ChainEnd:
        count = int(inputs["OPTIONS"])
        await asyncio.gather(*(emit(STARTED) for _ in range(count)))
        return ChainEnd(finish_reason="stop")

    def crowd_sends(response: SmallResponse | None, is_final: bool) -> None:
        order.append("crowd")
        begun.release()
        assert may_go_on.wait(WAIT_S)

    def other_sends(response: SmallResponse | None, is_final: bool) -> None:
        order.append("other")

    adapter = adapter_of(telling)
    crowd, other = SmallRequest(b"1000", fault=crowd_sends), SmallRequest(b"3", fault=other_sends)
    adapter.execute([crowd])
    assert begun.acquire(timeout=WAIT_S)
    adapter.execute([other])
    until(lambda: len(adapter._live) == 2)
    may_go_on.set()
    assert other.outcome().event["finish_reason"] == "stop"
    assert crowd.outcome().event["finish_reason"] == "stop"
    assert len(order) == 1001 + 4
    assert order.index("other") < 10


def test_requests_that_cannot_be_read_are_refused(adapter_of: Any) -> None:
    deep, odd = SmallRequest(headers={"chain-depth": "4"}), SmallRequest(headers={"traceparent": "x"})
    adapter_of(well).execute([deep, odd])
    assert "INVALID_ARGUMENT: 4 chains are around this one" in deep.outcome().error.message
    assert len(odd.outcome().event["trace_id"]) == 32


def test_a_caller_that_leaves_ends_its_run_and_no_other(adapter_of: Any) -> None:
    endless = Endless()
    leaving, staying = SmallRequest(), SmallRequest()
    adapter = adapter_of(endless)
    adapter.execute([leaving, staying])
    for _ in range(2):
        assert endless.started.acquire(timeout=WAIT_S)
    leaving.has_left = True
    assert leaving.outcome().event["finish_reason"] == "cancelled"
    assert (endless.cleaned, staying.finals) == (1, 0)
    staying.has_left = True
    staying.outcome()


def test_a_caller_that_leaves_the_queue_frees_its_place_there(adapter_of: Any) -> None:
    endless = Endless()
    running, waiting, refused, next_one = (SmallRequest() for _ in range(4))
    adapter = adapter_of(endless, max_runs=1, max_queue=1)
    adapter.execute([running])
    assert endless.started.acquire(timeout=WAIT_S)
    adapter.execute([waiting, refused])
    assert "UNAVAILABLE: the queue is full (1 waiting)" in refused.outcome().error.message
    waiting.has_left = True
    assert waiting.outcome().event["finish_reason"] == "cancelled"
    adapter.execute([next_one])
    running.has_left = True
    assert endless.started.acquire(timeout=WAIT_S)
    next_one.has_left = True
    next_one.outcome()


def test_closing_cancels_what_does_not_end_and_refuses_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qwen_engine.chain_adapter.DRAIN_S", 0.1)
    endless, request, late = Endless(), SmallRequest(), SmallRequest()
    adapter = ChainAdapter(PB_UTILS, WORKFLOW, ChainSettings(), run=endless)
    adapter.execute([request])
    assert endless.started.acquire(timeout=WAIT_S)
    adapter.close()
    assert request.outcome().event["finish_reason"] == "cancelled"
    assert endless.cleaned == 1
    adapter.execute([late])
    assert "UNAVAILABLE: the server is shutting down" in late.outcome().error.message


def test_a_tenant_that_is_no_name_is_refused_by_its_header(adapter_of: Any) -> None:
    request = SmallRequest(headers={"qwen-tenant": "../other"})
    adapter_of(well).execute([request])
    assert "INVALID_ARGUMENT: qwen-tenant is '../other'" in request.outcome().error.message


def cancelling(request_id: str, tenant: str = "default") -> SmallRequest:
    return SmallRequest(json.dumps({"cancel": request_id, "inputs": 3}).encode(), {"qwen-tenant": tenant})


def test_a_request_that_cancels_another_ends_it_and_is_answered_at_once(adapter_of: Any) -> None:
    endless, request, other = Endless(), SmallRequest(id=MINE), SmallRequest(id=OTHER)
    adapter = adapter_of(endless, max_runs=2)
    adapter.execute([request, other])
    for _ in range(2):
        assert endless.started.acquire(timeout=WAIT_S)
    verb = cancelling(MINE)
    adapter.execute([verb])
    assert (verb.outcome().event["found"], verb.outcome().event["finish_reason"]) == (True, "stop")
    assert request.outcome().event["finish_reason"] == "cancelled"
    assert (endless.cleaned, other.finals) == (1, 0)
    adapter.execute([cancelling(OTHER)])
    other.outcome()


def test_nobody_cancels_what_is_not_theirs_or_over(adapter_of: Any) -> None:
    endless, request = Endless(), SmallRequest(id=MINE)
    adapter = adapter_of(endless)
    adapter.execute([request])
    assert endless.started.acquire(timeout=WAIT_S)
    foreign = cancelling(MINE, tenant="another")
    adapter.execute([foreign])
    assert foreign.outcome().event["found"] is False
    adapter.execute([cancelling(MINE)])
    request.outcome()
    again = cancelling(MINE)
    adapter.execute([again])
    assert again.outcome().event["found"] is False


def test_one_that_waits_for_a_place_is_cancelled_too(adapter_of: Any) -> None:
    endless, running, waiting = Endless(), SmallRequest(id=MINE), SmallRequest(id=OTHER)
    adapter = adapter_of(endless, max_runs=1)
    adapter.execute([running])
    assert endless.started.acquire(timeout=WAIT_S)
    adapter.execute([waiting, cancelling(OTHER)])
    assert waiting.outcome().event["finish_reason"] == "cancelled"
    adapter.execute([cancelling(MINE)])
    running.outcome()


def test_one_that_waits_longer_than_its_time_is_told_so(adapter_of: Any) -> None:
    endless, running, waiting = Endless(), SmallRequest(id=MINE), SmallRequest(timeout_s=0.05)
    adapter = adapter_of(endless, max_runs=1)
    adapter.execute([running])
    assert endless.started.acquire(timeout=WAIT_S)
    adapter.execute([waiting])
    error = waiting.outcome().error
    assert error is not None
    assert error.message.startswith("DEADLINE_EXCEEDED: no place became free")
    adapter.execute([cancelling(MINE)])
    running.outcome()


def test_a_triton_that_cannot_tell_who_has_left_stops_nobody(adapter_of: Any) -> None:
    endless, unlucky, leaving = Endless(), SmallRequest(id=MINE, asking_fails=True), SmallRequest()
    adapter = adapter_of(endless)
    adapter.execute([unlucky])
    assert endless.started.acquire(timeout=WAIT_S)
    while not unlucky.num_asked:
        threading.Event().wait(0.01)
    adapter.execute([leaving])
    leaving.has_left = True
    assert leaving.outcome().event["finish_reason"] == "cancelled"
    assert unlucky.num_asked == 1
    adapter.execute([cancelling(MINE)])
    unlucky.outcome()


def test_a_final_response_that_cannot_be_sent_is_an_error_or_the_flag_alone(adapter_of: Any) -> None:
    def no_end(response: SmallResponse | None, is_final: bool) -> None:
        if is_final and response is not None:
            raise RuntimeError("shared memory is full")

    unlucky, other = SmallRequest(fault=no_end), SmallRequest()
    adapter_of(well).execute([unlucky, other])
    assert unlucky.outcome() is None
    assert other.outcome().event["finish_reason"] == "stop"


async def leaving_python(inputs: Inputs, trace: Trace, emit: Emit) -> ChainEnd:
    if inputs["OPTIONS"] == b'{"exit": 1}':
        raise SystemExit
    return await well(inputs, trace, emit)


def test_the_loop_goes_on_whatever_a_chain_raises(adapter_of: Any) -> None:
    adapter = adapter_of(leaving_python)
    unlucky, next_one = SmallRequest(b'{"exit": 1}'), SmallRequest()
    adapter.execute([unlucky])
    assert unlucky.outcome().error.code == "INTERNAL"
    adapter.execute([next_one])
    assert next_one.outcome().event["finish_reason"] == "stop"
