"""The events of a running chain, read."""

from collections.abc import Callable

from qwen_client.jobs import EventT
from qwen_client.messages import Answer
from qwen_wire.chains import STAGE_EVENTS, StageEvent
from qwen_wire.errors import ServerError


def read_stage(answer: Answer) -> StageEvent:
    """The event in a response of a chain."""
    type_name = answer.json("EVENT")["type"]
    if type_name not in STAGE_EVENTS:
        raise ServerError(f"the answer holds an unknown event: {type_name}", request_id=answer.request_id)
    return answer.message(STAGE_EVENTS[type_name], "EVENT", payload=answer.payload("PAYLOAD"))


def announcing(
    read: Callable[[Answer], EventT], on_event: Callable[[EventT], object] | None
) -> Callable[[Answer], EventT]:
    """A `read` that also calls `on_event` with each event."""
    if on_event is None:
        return read

    def announce(answer: Answer) -> EventT:
        event = read(answer)
        on_event(event)
        return event

    return announce
