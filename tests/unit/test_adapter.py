"""The adapter of models on a small stand-in for Triton's Python API: one final response, whatever happens."""

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from small_triton import MINE, OTHER, PB_UTILS, WAIT_S, SmallRequest, SmallResponse

from qwen_engine.loop import Model
from qwen_engine.messages import Inputs, Outputs
from qwen_engine.model_spec import Immediate, ModelSpec, SequenceStep
from qwen_engine.session import Session
from qwen_engine.settings import FileSettings, ModelSettings
from qwen_engine.triton import Adapter
from qwen_wire.errors import InvalidRequest
from qwen_wire.options import StreamOptions, parse_options
from qwen_wire.tensors import ModelWire, Tensor

INPUTS = (Tensor("TEXT"), Tensor("OPTIONS"))
COUNTING = ModelWire("counting", INPUTS, ("AUDIO", "EVENT"), decoupled=True)
LAST_COUNT = ModelWire("last_count", INPUTS, ("AUDIO", "RESULT"), decoupled=False)
ENDLESS = 10**9


class Counting(Model[int]):
    """Counts up to the number that it is given, one event a step. `steps` may be held."""

    max_sessions = 2

    def __init__(self) -> None:
        self.steps = threading.Event()
        self.steps.set()
        self._counts: dict[Session[int], int] = {}

    @property
    def live(self) -> int:
        return len(self._counts)

    def prepare(self, request: int) -> int:
        return request

    def step(self, sessions: Sequence[Session[int]]) -> bool:
        assert self.steps.wait(WAIT_S)
        for session in sessions:
            count = self._counts[session] = self._counts.get(session, 0) + 1
            if count <= 5 or session.request != ENDLESS:
                session.emit(count)
            if count == session.request:
                session.finish("stop")
        return False

    def retire(self, session: Session[int]) -> None:
        del self._counts[session]


class CountingModel(ModelSpec):
    """TEXT says how far to count."""

    def __init__(self, wire: ModelWire, engine: Counting, settings: ModelSettings) -> None:
        self.wire = wire
        self.engine = engine
        self.settings = settings

    def read(self, inputs: Inputs, *steps: SequenceStep) -> tuple[Any, StreamOptions]:
        options = parse_options(StreamOptions, inputs["OPTIONS"])
        return int(inputs["TEXT"]), options

    def encode(self, event: int, context: StreamOptions) -> Outputs:
        return {"AUDIO": b"sound", self.wire.outputs[-1]: {"type": "count", "count": event}}


@pytest.fixture
def adapter_of() -> Iterator[Callable[..., Adapter]]:
    made: list[Adapter] = []

    def make(wire: ModelWire = COUNTING, model: Counting | None = None, **settings: Any) -> Adapter:
        settings = ModelSettings(**settings)
        made.append(Adapter(PB_UTILS, wire, CountingModel(wire, model or Counting(), settings)))
        return made[-1]

    yield make
    for adapter in made:
        adapter.close()


def counting(up_to: int, **request: Any) -> SmallRequest:
    return SmallRequest(inputs={"TEXT": str(up_to).encode()}, **request)


def cancelling(request_id: Any, **request: Any) -> SmallRequest:
    """As callers send it: required tensors are empty."""
    return SmallRequest(json.dumps({"cancel": request_id, "x": 1}).encode(), inputs={"TEXT": b""}, **request)


def told(response: SmallResponse, name: str = "EVENT") -> dict[str, Any]:
    return json.loads({one.name: one.items[0, 0] for one in response.tensors}[name])


def test_events_are_numbered_and_the_end_is_final(adapter_of: Any) -> None:
    request = counting(2)
    adapter_of().execute([request])
    assert request.outcome().event["finish_reason"] == "stop"
    assert [response.event["index"] for response in request.sent] == [0, 1, 2]


def test_an_answer_that_is_to_come_whole_is_one_response(adapter_of: Any) -> None:
    """The final flag is on it: Triton's `generate` counts a flag that comes alone as another response."""
    request = counting(3, options=b'{"stream": false}')
    adapter_of().execute([request])
    answer = request.outcome()
    assert request.sent == [answer]
    assert told(answer) == {**told(answer), "index": 0, "type": "end", "count": 3, "finish_reason": "stop"}
    assert set(told(answer)["timings"]) == {"queue_s", "first_event_s", "total_s"}
    assert answer.tensors[0].items[0, 0] == b"sound"


@pytest.mark.parametrize("stream", [True, False])
def test_what_goes_wrong_with_an_answer_is_its_one_final_response(adapter_of: Any, stream: bool) -> None:
    options = json.dumps({"stream": stream, "x": 1}).encode()
    request = counting(3, options=options)
    adapter_of().execute([request])
    assert request.outcome().error.message.startswith("INVALID_ARGUMENT: OPTIONS.x is unknown")
    assert len(request.sent) == 1


def test_a_whole_answer_that_is_cancelled_is_told_so(adapter_of: Any) -> None:
    adapter, request = adapter_of(), counting(ENDLESS, id=MINE, options=b'{"stream": false}')
    adapter.execute([request])
    adapter.execute([cancelling(MINE)])
    assert request.outcome().error.message == "CANCELLED: the request was cancelled"
    assert len(request.sent) == 1


@pytest.mark.parametrize("has_place", [True, False])
def test_a_request_is_cancelled_by_its_id(adapter_of: Any, has_place: bool) -> None:
    adapter, request, others = adapter_of(), counting(ENDLESS, id=MINE), [counting(ENDLESS, id=OTHER) for _ in range(2)]
    adapter.execute([request, *others] if has_place else [*others, request])
    verb = cancelling(MINE)
    adapter.execute([verb])
    assert verb.outcome().event == {"index": 0, "type": "end", "finish_reason": "stop", "found": True} | {
        "timings": {"queue_s": 0.0, "first_event_s": 0.0, "total_s": 0.0}
    }
    end = request.outcome().event
    assert (end["type"], end["finish_reason"]) == ("end", "cancelled")
    assert not any(other.finals for other in others)
    adapter.execute([cancelling(OTHER)])  # an id that names several: all of them
    assert [other.outcome().event["finish_reason"] for other in others] == ["cancelled"] * 2


def test_a_unary_request_that_is_cancelled_is_told_so(adapter_of: Any) -> None:
    adapter, request, verb = adapter_of(LAST_COUNT), counting(ENDLESS, id=MINE), cancelling(MINE)
    adapter.execute([request])
    adapter.execute([verb])
    answer = verb.outcome()
    assert [one.name for one in answer.tensors] == ["AUDIO", "RESULT"]
    assert told(answer, "RESULT")["found"] is True
    assert request.outcome().error.message == "CANCELLED: the request was cancelled"


def test_to_cancel_needs_no_place_and_never_waits_for_the_engine(adapter_of: Any) -> None:
    model = Counting()
    adapter, request = adapter_of(model=model, max_queue=1), counting(ENDLESS, id=MINE)
    model.steps.clear()
    adapter.execute([request, *(counting(ENDLESS, id=MINE) for _ in range(5))])
    verb = cancelling(MINE)
    adapter.execute([verb])
    assert verb.outcome().event["found"] is True
    model.steps.set()
    assert request.outcome().event["finish_reason"] == "cancelled"


@pytest.mark.parametrize("tenants", [("a", "b"), ("default", "b")])
def test_nobody_cancels_for_another_tenant(adapter_of: Any, tenants: tuple[str, str]) -> None:
    adapter = adapter_of()
    mine, other = ({"qwen-tenant": tenant} for tenant in tenants)
    request, verb = counting(ENDLESS, id=MINE, headers=mine), cancelling(MINE, headers=other)
    adapter.execute([request])
    adapter.execute([verb])
    assert verb.outcome().event["found"] is False
    adapter.execute([cancelling(MINE, headers=mine)])
    assert request.outcome().event["finish_reason"] == "cancelled"


def test_what_is_over_or_was_never_there_is_not_found(adapter_of: Any) -> None:
    adapter, request = adapter_of(), counting(1, id=MINE)
    adapter.execute([request])
    request.outcome()
    for request_id in (MINE, OTHER):
        verb = cancelling(request_id)
        adapter.execute([verb])
        assert verb.outcome().event["found"] is False


@pytest.mark.parametrize("bad", ["", "1", "request-7", "x" * 15, 3, ["mine"], {"id": "mine"}])
def test_what_is_no_id_or_may_be_guessed_is_refused_by_name(adapter_of: Any, bad: Any) -> None:
    adapter, request, verb = adapter_of(), counting(5, id=str(bad)), cancelling(bad)
    adapter.execute([request, verb])
    assert verb.outcome().error.message.startswith("INVALID_ARGUMENT: ")
    assert "OPTIONS.cancel is " in verb.outcome().error.message
    assert request.outcome().event["finish_reason"] == "stop"


def test_an_id_that_is_too_long_for_one_is_found_nowhere(adapter_of: Any) -> None:
    verb = cancelling("x" * 257)
    adapter_of().execute([verb])
    assert verb.outcome().event["found"] is False


def test_a_request_ends_when_its_time_is_over(adapter_of: Any) -> None:
    adapter = adapter_of()
    late, waiting = counting(ENDLESS, timeout_s=0.5), counting(1, timeout_s=0.1)
    adapter.execute([late, counting(ENDLESS, id=OTHER), waiting])
    for request in (waiting, late):
        error = request.outcome().error
        assert (error.code, error.message.partition(":")[0]) == ("CANCELLED", "DEADLINE_EXCEEDED")
    adapter.execute([cancelling(OTHER)])


def test_a_caller_that_has_left_ends_its_request(adapter_of: Any) -> None:
    request = counting(ENDLESS, has_left=True)
    adapter_of().execute([request])
    assert request.outcome().event["finish_reason"] == "cancelled"


def test_a_triton_that_cannot_tell_who_has_left_stops_nobody(adapter_of: Any) -> None:
    request, other = counting(50, asking_fails=True), counting(50)
    adapter_of().execute([request, other])
    assert request.outcome().event["finish_reason"] == other.outcome().event["finish_reason"] == "stop"
    assert request.num_asked == 1


class FilesSettings(FileSettings, ModelSettings):
    """As of a model that takes files."""


class Files(CountingModel):
    """A model whose requests come with files, read one at a time; those named "held" until they are let go.

    "keep" needs no place: it is `kept`, once it is let go.
    """

    def __init__(self) -> None:
        wire = replace(COUNTING, inputs=(Tensor("FILE", file=True), Tensor("OPTIONS")))
        super().__init__(wire, Counting(), FilesSettings())
        self.let_go = threading.Event()
        self.begun: list[bytes] = []
        self.keeping = threading.Event()
        self.kept: list[bytes] = []

    def read(self, inputs: Inputs, *steps: SequenceStep) -> tuple[int | Immediate, StreamOptions]:
        self.begun.append(inputs["FILE"])
        if inputs["FILE"] in (b"held", b"held, then keep"):
            assert self.let_go.wait(WAIT_S)
        if inputs["FILE"] == b"exit":
            raise SystemExit
        request = Immediate(lambda: self._keep(inputs["FILE"])) if b"keep" in inputs["FILE"] else 1
        return request, parse_options(StreamOptions, inputs["OPTIONS"])

    def _keep(self, name: bytes) -> int:
        self.keeping.set()
        assert self.let_go.wait(WAIT_S)
        if name == b"keep twice":
            raise InvalidRequest("it is kept already")
        self.kept.append(name)
        return len(self.kept)

    def adapter(self) -> Adapter:
        return Adapter(PB_UTILS, self.wire, self)


def with_file(name: bytes, **request: Any) -> SmallRequest:
    return SmallRequest(inputs={"FILE": name}, **request)


@pytest.fixture
def files() -> Iterator[Files]:
    made = Files()
    yield made
    made.let_go.set()


def test_a_request_whose_file_is_read_or_waits_for_it_is_cancelled_at_once(files: Files) -> None:
    adapter = files.adapter()
    requests = [with_file(b"held", id=MINE) for _ in range(10)]
    adapter.execute(requests)
    verb = cancelling_file()
    adapter.execute([verb])
    assert verb.outcome().event["found"] is True
    for request in requests:
        assert request.outcome().event["finish_reason"] == "cancelled"
    assert len(files.begun) < len(requests)
    files.let_go.set()
    adapter.close()
    assert [request.finals for request in requests] == [1] * len(requests)


def test_a_file_whose_request_has_no_time_left_is_not_read(files: Files) -> None:
    adapter = files.adapter()
    adapter.execute([with_file(b"held") for _ in range(10)])
    late = with_file(b"late", timeout_s=0.05)
    adapter.execute([late])
    threading.Event().wait(0.1)
    files.let_go.set()
    assert late.outcome().error.message.startswith("DEADLINE_EXCEEDED: ")
    adapter.close()
    assert b"late" not in files.begun


def test_whatever_reading_a_file_raises_the_next_one_is_read(files: Files) -> None:
    adapter = files.adapter()
    unlucky, after = [with_file(b"exit") for _ in range(10)], with_file(b"good")
    adapter.execute([*unlucky, after])
    for request in unlucky:
        assert request.outcome().error.code == "INTERNAL"
    assert after.outcome().event["finish_reason"] == "stop"
    adapter.close()


def cancelling_file() -> SmallRequest:
    verb = cancelling(MINE)
    verb.inputs = {"FILE": b""}
    return verb


def test_what_needs_no_place_does_not_wait_for_one(files: Files) -> None:
    adapter = files.adapter()
    files.engine.steps.clear()
    waiting = [with_file(b"good") for _ in range(5)]
    adapter.execute(waiting)
    files.let_go.set()
    keep, again = with_file(b"keep"), with_file(b"keep twice")
    adapter.execute([keep, again])
    end = keep.outcome().event
    assert (keep.sent[0].event["count"], end["finish_reason"], end["index"]) == (1, "stop", 1)
    assert end["timings"]["queue_s"] == 0
    assert end["timings"]["first_event_s"] <= end["timings"]["total_s"]
    assert again.outcome().error.message == "INVALID_ARGUMENT: it is kept already"
    assert not any(request.finals for request in waiting)
    files.engine.steps.set()
    assert [request.outcome().event["finish_reason"] for request in waiting] == ["stop"] * 5
    adapter.close()


def test_what_needs_no_place_is_done_or_cancelled_and_says_which(files: Files) -> None:
    adapter, keep = files.adapter(), with_file(b"keep", id=MINE)
    adapter.execute([keep])
    assert files.keeping.wait(WAIT_S)
    verb = cancelling_file()
    adapter.execute([verb])
    assert verb.outcome().event["found"] is True
    assert not keep.finals
    files.let_go.set()
    assert keep.outcome().event["finish_reason"] == "stop"
    assert files.kept == [b"keep"]
    files.let_go.clear()
    early, late = with_file(b"held, then keep", id=MINE), with_file(b"held, then keep", timeout_s=0.05)
    adapter.execute([early, late])
    adapter.execute([cancelling_file()])
    assert early.outcome().event["finish_reason"] == "cancelled"
    threading.Event().wait(0.1)
    files.let_go.set()
    assert late.outcome().error.message.startswith("DEADLINE_EXCEEDED: ")
    adapter.close()
    assert files.kept == [b"keep"]


def always(response: SmallResponse | None, is_final: bool) -> None:
    raise RuntimeError("shared memory is full")


def events_only(response: SmallResponse | None, is_final: bool) -> None:
    if not is_final:
        raise RuntimeError("shared memory is full")


def all_but_the_flag(response: SmallResponse | None, is_final: bool) -> None:
    if response is not None:
        raise RuntimeError("shared memory is full")


def leaving_python(response: SmallResponse | None, is_final: bool) -> None:
    if not is_final:
        raise SystemExit


@pytest.mark.parametrize("fault", [events_only, all_but_the_flag, leaving_python])
def test_an_answer_that_cannot_be_sent_ends_its_own_request(adapter_of: Any, fault: Any) -> None:
    adapter, unlucky, mate, after = adapter_of(), counting(50, fault=fault), counting(50), counting(1)
    adapter.execute([unlucky, mate])
    last = unlucky.outcome()
    assert last is None if fault is all_but_the_flag else last.error.code == "INTERNAL"
    assert mate.outcome().event["finish_reason"] == "stop"
    adapter.execute([after])
    assert after.outcome().event["finish_reason"] == "stop"


def test_a_request_that_nothing_can_be_sent_for_hurts_no_other(adapter_of: Any) -> None:
    adapter, unlucky, mate = adapter_of(), counting(3, fault=always), counting(3)
    adapter.execute([unlucky, mate])
    assert mate.outcome().event["finish_reason"] == "stop"
    assert not unlucky.finals


def test_a_response_thread_that_has_ended_is_noticed(adapter_of: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    adapter, waiting, late, gate = adapter_of(), counting(1), counting(1), threading.Event()
    monkeypatch.setattr("qwen_engine.worker_thread.PAUSE_S", None)  # what nobody foresaw: the guard itself fails

    def fail() -> None:
        assert gate.wait(WAIT_S)
        raise SystemExit

    adapter.responses.put(fail)
    adapter.execute([waiting])
    gate.set()
    assert waiting.outcome().event["finish_reason"] == "stop"
    while not adapter.responses.broken:
        threading.Event().wait(0.01)
    adapter.execute([late])
    assert late.outcome().error.message.startswith("UNAVAILABLE: the model has broken down")


def test_responses_that_are_not_taken_fail_their_requests(adapter_of: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of them is told, as soon as Triton takes something again."""
    monkeypatch.setattr("qwen_engine.response_queue.MAX_UNSENT", 2)
    monkeypatch.setattr("qwen_engine.response_queue.SEND_TIMEOUT_S", 0.2)
    gate, held = threading.Event(), threading.Event()

    def hold(response: SmallResponse | None, is_final: bool) -> None:
        held.set()
        assert gate.wait(WAIT_S)

    model = Counting()
    adapter, slow, mate, after = adapter_of(model=model), counting(50, fault=hold), counting(50), counting(3)
    adapter.execute([slow, mate])
    assert held.wait(WAIT_S)
    while model.live:
        threading.Event().wait(0.01)
    gate.set()
    assert slow.outcome().error.code == mate.outcome().error.code == "INTERNAL"
    adapter.execute([after])
    assert after.outcome().event["finish_reason"] == "stop"
