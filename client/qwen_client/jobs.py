"""A job is one request and the way to read its answers.

Jobs are free of I/O: the sync and the async client run the same ones, and differ in the call only.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from qwen_client.messages import Answer, Inputs, SequenceStep
from qwen_wire.errors import Cancelled, ServerError
from qwen_wire.messages import MessageT, Timings, read_message

EventT = TypeVar("EventT")
ResultT = TypeVar("ResultT")


@dataclass(frozen=True)
class Ending:
    """How a request ended: `finish_reason` is "stop", "length" or "cancelled"; `details` are the model's own."""

    finish_reason: str
    timings: Timings
    request_id: str
    details: Mapping[str, Any]

    def read(self, kind: type[MessageT]) -> MessageT:
        """The details as a message of `qwen_wire`."""
        return read_message(kind, self.details)


def read_ending(fields: Mapping[str, Any], request_id: str) -> Ending:
    """The ending in an `end` event or a RESULT."""
    return Ending(fields["finish_reason"], read_message(Timings, fields["timings"]), request_id, fields)


def require_complete(ending: Ending) -> None:
    """Raise `Cancelled` where the server gave up on the request, so that nobody takes a part for the whole."""
    if ending.finish_reason == "cancelled":
        raise Cancelled("the server cancelled the request", request_id=ending.request_id)


def only_event(events: Sequence[EventT], ending: Ending) -> EventT:
    """The event of a request that is answered by one."""
    require_complete(ending)
    if not events:
        raise ServerError("the answer is empty", request_id=ending.request_id)
    return events[0]


@dataclass(frozen=True)
class UnaryJob(Generic[ResultT]):
    """One request, one answer; a `step` of a sequence, where the model keeps state between requests.

    `is_repeatable`: to send it twice does no harm.
    """

    model: str
    inputs: Inputs
    read: Callable[[Answer], ResultT]
    step: SequenceStep | None = None

    @property
    def is_repeatable(self) -> bool:
        return self.step is None


@dataclass(frozen=True)
class StreamJob(Generic[EventT, ResultT]):
    """One request, many answers: each is `read` as an event, and all of them `collect` into the result.

    `is_repeatable`: to send it twice does no harm, as long as no answer has come.
    """

    model: str
    inputs: Inputs
    read: Callable[[Answer], EventT]
    collect: Callable[[Sequence[EventT], Ending], ResultT]
    is_repeatable: bool = True
