"""The adapter of chains on a small stand-in for Triton's Python API: one final response, whatever happens."""

import asyncio
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from qwen_engine.chain_adapter import ChainAdapter
from qwen_engine.chains.calls import Trace
from qwen_engine.chains.events import Emit, End, StageResult, StageStarted
from qwen_engine.errors import InvalidRequest
from qwen_engine.messages import Inputs
from qwen_engine.settings import ChainSettings
from qwen_engine.wire import WORKFLOW

WAIT_S = 20
FINAL = 1
STARTED, RESULT = StageStarted(stage="one"), StageResult(stage="one", output="IMAGE", payload=b"file")


@dataclass
class SmallTensor:
    name: str
    items: Any

    def as_numpy(self) -> Any:
        return self.items


class SmallError:
    """Triton's codes are attributes of its error."""

    INVALID_ARG, UNAVAILABLE, CANCELLED, INTERNAL = "INVALID_ARG", "UNAVAILABLE", "CANCELLED", "INTERNAL"

    def __init__(self, message: str, code: str) -> None:
        self.message, self.code = message, code


@dataclass
class SmallResponse:
    tensors: list[SmallTensor]
    error: SmallError | None = None

    @property
    def event(self) -> dict[str, Any]:
        return json.loads({one.name: one.items[0, 0] for one in self.tensors}["EVENT"])


@dataclass
class SmallRequest:
    """A request, its sender, and what was sent."""

    options: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)
    sent: list[SmallResponse] = field(default_factory=list)
    finals: int = 0
    ended: threading.Event = field(default_factory=threading.Event)
    has_left: bool = False
    breaks: bool = False

    def get_response_sender(self) -> "SmallRequest":
        return self

    def parameters(self) -> str:
        return json.dumps(self.headers)

    def is_cancelled(self) -> bool:
        return self.has_left

    def send(self, response: SmallResponse, flags: int = 0) -> None:
        if self.breaks and flags != FINAL:
            raise RuntimeError("shared memory is full")
        self.sent.append(response)
        self.finals += flags == FINAL
        if flags == FINAL:
            self.ended.set()

    def outcome(self) -> SmallResponse:
        """The last response, the one final one."""
        assert self.ended.wait(WAIT_S)
        assert self.finals == 1
        return self.sent[-1]


def tensor_of(request: SmallRequest, name: str) -> SmallTensor | None:
    given = {"WORKFLOW": b"{}", "OPTIONS": request.options}
    return SmallTensor(name, np.array([[given[name]]], dtype=np.object_)) if name in given else None


PB_UTILS = SimpleNamespace(
    Tensor=SmallTensor,
    InferenceResponse=SmallResponse,
    TritonError=SmallError,
    TRITONSERVER_RESPONSE_COMPLETE_FINAL=FINAL,
    get_input_tensor_by_name=tensor_of,
)


async def well(inputs: Inputs, trace: Trace, emit: Emit) -> End:
    await emit(STARTED)
    await emit(RESULT)
    return End(finish_reason="stop", details={"trace_id": trace.trace_id, "options": inputs["OPTIONS"].decode()})


async def refusing(inputs: Inputs, trace: Trace, emit: Emit) -> End:
    raise InvalidRequest("OPTIONS.x is unknown")


async def broken(inputs: Inputs, trace: Trace, emit: Emit) -> End:
    await emit(STARTED)
    raise ZeroDivisionError


async def untellable(inputs: Inputs, trace: Trace, emit: Emit) -> End:
    return End(finish_reason="stop", details={"outputs": object()})


@dataclass
class Endless:
    """Runs until it is cancelled; `cleaned` counts those that were."""

    started: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    cleaned: int = 0

    async def __call__(self, inputs: Inputs, trace: Trace, emit: Emit) -> End:
        await emit(STARTED)
        self.started.release()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)  # as a chain that has calls to end
            self.cleaned += 1
        raise AssertionError


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
    assert (end["finish_reason"], end["trace_id"], end["options"]) == ("stop", "1" * 32, '{"a": 1}')
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
    unlucky, other = SmallRequest(breaks=True), SmallRequest()
    adapter.execute([unlucky, other])
    assert unlucky.outcome().error.code == "INTERNAL"
    assert other.outcome().event["finish_reason"] == "stop"


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
