"""A batch that fails is run again one by one: only the request at fault fails."""

from qwen_engine.errors import Internal, InvalidRequest
from qwen_engine.loop import Session
from qwen_engine.reference.isolation import run_isolated


class Recorder:
    def __init__(self) -> None:
        self.outcome: object = None

    def emit(self, event: object) -> None:
        raise AssertionError("delivery emits here, not the sink")

    def end(self, reason: str, timings: dict[str, float | None]) -> None:
        raise AssertionError("delivery ends here, not the sink")

    def fail(self, error: Exception) -> None:
        self.outcome = error

    def abandoned(self) -> bool:
        return False


def outcomes(requests: list[float]) -> list[object]:
    """Inverses through `run_isolated`; 1/0 is our fault, a negative number the caller's."""
    sinks = [Recorder() for _ in requests]
    sessions = [Session(request, sink) for request, sink in zip(requests, sinks, strict=True)]

    def invert(batch):
        if any(number < 0 for number in batch):
            raise InvalidRequest("negative")
        return [1 / number for number in batch]

    def deliver(session, result):
        sinks[sessions.index(session)].outcome = result

    run_isolated(invert, sessions, deliver)
    return [sink.outcome for sink in sinks]


def test_a_good_batch_runs_once():
    assert outcomes([1.0, 2.0, 4.0]) == [1.0, 0.5, 0.25]


def test_nothing_to_run():
    assert outcomes([]) == []


def test_only_the_request_at_fault_fails():
    first, bad, wrong, last = outcomes([1.0, 0.0, -1.0, 2.0])
    assert (first, last) == (1.0, 0.5)
    assert isinstance(bad, Internal)
    assert "division" not in str(bad)
    assert isinstance(wrong, InvalidRequest)
